//! A client's socket, with the limits on its waiting and the answers that hyper cannot give.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    pace::{Overdue, Pace},
    refusal,
};

/// How long a connection that the server ends is still read from. Closing with unread bytes would reset it, and a reset
/// can destroy the response before the client has seen it.
const LINGER: Duration = Duration::from_secs(1);

pub(crate) struct Socket {
    stream: TcpStream,
    pace: Arc<Pace>,
    timer: Pin<Box<Sleep>>,
    /// Whether the last write was taken whole, so that the next one begins something new.
    taken_whole: bool,
    /// Since when the client takes no byte.
    blocked_since: Option<Instant>,
    /// An answer of our own that stands in for one of hyper's.
    refusal: Bytes,
    linger_until: Option<Instant>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, pace: Arc<Pace>) -> Self {
        Self {
            stream,
            pace,
            timer: Box::pin(sleep_until(Instant::now())),
            taken_whole: true,
            blocked_since: None,
            refusal: Bytes::new(),
            linger_until: None,
        }
    }

    /// Ready at the deadline. The timer is only moved when it stands too late, or fires too early: a connection that is
    /// served again and again touches it once in a whole idle time.
    fn poll_until(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.timer.deadline() >= deadline || Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(deadline);
        }
    }

    /// Ready when the client has kept the connection waiting for too long.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Overdue> {
        let Some((deadline, overdue)) = self.pace.deadline() else {
            return Poll::Pending;
        };
        ready!(self.poll_until(deadline, cx));
        Poll::Ready(overdue)
    }

    /// A header that does not come to its end is answered before the connection closes, unless an earlier response is
    /// still on its way. What the socket does not take at once is lost with it.
    fn refuse_slow_header(&mut self, cx: &mut Context<'_>) {
        if self.taken_whole {
            let answer = refusal::slow_header();
            let _ = Pin::new(&mut self.stream).poll_write(cx, &answer);
        }
    }

    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.refusal.has_remaining() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.refusal);
            let written = ready!(self.poll_written(written, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Lets a result of writing through, and ends the wait for a client that takes no byte.
    fn poll_written(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            if self.blocked_since.take().is_some() {
                self.pace.resumed();
            }
            return written;
        }
        let since = *self.blocked_since.get_or_insert_with(Instant::now);
        ready!(self.poll_until(since + self.pace.idle_timeout(), cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads and forgets what the client still sends, for a moment.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = *self.linger_until.get_or_insert_with(|| Instant::now() + LINGER);
        let mut space = [0; 4096];
        while !self.pace.is_stopping() && Instant::now() < until {
            let mut sink = ReadBuf::new(&mut space);
            match Pin::new(&mut self.stream).poll_read(cx, &mut sink) {
                Poll::Ready(Ok(())) if !sink.filled().is_empty() => {}
                Poll::Ready(_) => break,
                Poll::Pending => {
                    ready!(self.poll_until(until, cx));
                }
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if read.is_ready() {
            if buffer.filled().len() > before {
                this.pace.received();
            }
            return read;
        }
        if let Overdue::Header = ready!(this.poll_overdue(cx)) {
            this.refuse_slow_header(cx);
        }
        // To hyper it looks as if the client had left.
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_refusal(cx))?;
        if this.taken_whole
            && let Some((answer, replaced)) = refusal::in_place_of(slices)
        {
            this.refusal = answer;
            return Poll::Ready(Ok(replaced));
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        this.taken_whole = matches!(written, Poll::Ready(Ok(taken)) if taken == length);
        this.poll_written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_refusal(cx))?;
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        // Behind a response hyper rests without reading when it knows that nothing came. The timer has to wake it.
        if this.poll_overdue(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger_until.is_none() {
            ready!(this.poll_refusal(cx))?;
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        ready!(this.poll_linger(cx));
        Poll::Ready(Ok(()))
    }
}
