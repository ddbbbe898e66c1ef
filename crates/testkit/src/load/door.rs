//! The way in for clients, which stays good over all restarts of what is behind it.

use tokio::sync::watch;

use crate::client::Client;

/// The way in: waits while nobody is there.
#[derive(Clone, Debug)]
pub struct Door {
    urls: watch::Receiver<Option<Urls>>,
    open: Option<(Urls, Client)>,
}

/// The base URLs of the write and the read API.
type Urls = (String, String);

impl Door {
    /// One through which nobody is reached yet, and what opens and closes it.
    #[must_use]
    pub fn closed() -> (watch::Sender<Option<(String, String)>>, Self) {
        let (sender, urls) = watch::channel(None);
        (sender, Self { urls, open: None })
    }

    /// A client of the processes that run now.
    ///
    /// # Panics
    /// Where nobody is to come any more.
    pub async fn client(&mut self) -> Client {
        let urls = self.urls.wait_for(Option::is_some).await.map(|urls| urls.clone());
        let urls = urls.unwrap_or_else(|_| panic!("the door is closed for ever"));
        let urls = urls.unwrap_or_default();
        match &self.open {
            Some((open, client)) if *open == urls => client.clone(),
            _ => {
                let client = Client::new(&urls.0, &urls.1);
                self.open = Some((urls, client.clone()));
                client
            }
        }
    }
}
