//! The registry of problem types: the one table behind every `type` that a problem document carries.

use std::time::Duration;

use http::StatusCode;

macro_rules! problem_types {
    ($($(#[doc = $doc:literal])+ $name:ident = $slug:literal, $status:ident, $title:literal $(, retry after $seconds:literal)?;)+) => {
        /// A kind of problem, each with a section in `docs/problems.md`. Its URI is `urn:hubbub:problem:<slug>`: a name
        /// that stays the same on every installation (RFC 9457, section 3.1.1).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemType {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ProblemType {
            /// Every type, in the registry's order.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The last part of the type's URI.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)+ }
            }

            /// The type's URI, the value of `type`.
            pub const fn uri(self) -> &'static str {
                match self { $(Self::$name => concat!("urn:hubbub:problem:", $slug),)+ }
            }

            /// The type's short summary, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// The HTTP status that it is answered with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// When a client may try again, unless the problem says otherwise.
            pub const fn retry_after(self) -> Option<Duration> {
                match self {
                    $($(Self::$name => Some(Duration::from_secs($seconds)),)?)+
                    _ => None,
                }
            }
        }
    };
}

problem_types! {
    /// The body is not JSON in UTF-8.
    MalformedJson = "malformed-json", BAD_REQUEST, "The body is not valid JSON";
    /// The request line, a header or the query cannot be parsed.
    MalformedRequest = "malformed-request", BAD_REQUEST, "The request is malformed";
    /// A cursor was changed, or belongs to another route.
    InvalidCursor = "invalid-cursor", BAD_REQUEST, "The cursor is not valid here";
    /// A consistency token was changed, or is none.
    InvalidToken = "invalid-token", BAD_REQUEST, "The consistency token is not valid";
    /// A receipt was changed, or is none.
    InvalidReceipt = "invalid-receipt", BAD_REQUEST, "The receipt is not valid";
    /// A preference in `Prefer` that hubbub honours has a value that is not allowed.
    InvalidPrefer = "invalid-prefer", BAD_REQUEST, "The Prefer header is not valid";
    /// `If-Match` is not one quoted version.
    InvalidIfMatch = "invalid-if-match", BAD_REQUEST, "The If-Match header is not valid";
    /// An `Idempotency-Key` is malformed, or stands where none may.
    InvalidIdempotencyKey = "invalid-idempotency-key", BAD_REQUEST, "The Idempotency-Key header is not valid";
    /// Someone else than the author edits or deletes.
    NotTheAuthor = "not-the-author", FORBIDDEN, "Only the author may do this";
    /// No such route, or no such thing behind it.
    NotFound = "not-found", NOT_FOUND, "There is nothing here";
    /// No post has this id.
    PostNotFound = "post-not-found", NOT_FOUND, "The post does not exist";
    /// The post is known, its analysis is on its way.
    NotAnalyzedYet = "not-analyzed-yet", NOT_FOUND, "The post is not analyzed yet", retry after 1;
    /// The post's text could not be analyzed.
    AnalysisFailed = "analysis-failed", NOT_FOUND, "The post could not be analyzed";
    /// The route exists, for other methods.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The method is not allowed here";
    /// The request took too long to arrive.
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// The id belongs to another post, or did.
    IdTaken = "id-taken", CONFLICT, "The id is taken";
    /// What is asked for does not go with the builds that there are.
    BuildConflict = "build-conflict", CONFLICT, "The builds do not allow this";
    /// The post was deleted.
    PostDeleted = "post-deleted", GONE, "The post was deleted";
    /// The post has another version than `If-Match` names.
    VersionMoved = "version-moved", PRECONDITION_FAILED, "The post has another version by now";
    /// The body, or a part of it, is larger than allowed.
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The request is too large";
    /// The body has a media type or a content coding that the route does not read.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body's media type is not supported";
    /// The request was understood, and a value in it is not allowed.
    ValidationFailed = "validation-failed", UNPROCESSABLE_ENTITY, "A value is not allowed";
    /// The body has a field that the route does not know.
    UnknownField = "unknown-field", UNPROCESSABLE_ENTITY, "A field is unknown";
    /// An idempotency key came back with another payload.
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The idempotency key was used for another request";
    /// The request's header is larger than allowed.
    HeadersTooLarge = "headers-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's header is too large";
    /// The server is at fault.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The server failed";
    /// An accepted event that could not be applied.
    DeadLetter = "dead-letter", INTERNAL_SERVER_ERROR, "The event could not be applied";
    /// The log takes no appends now; nothing was stored.
    LogUnavailable = "log-unavailable", SERVICE_UNAVAILABLE, "The event log is not available", retry after 1;
    /// The tables cannot be read now.
    StoreUnavailable = "store-unavailable", SERVICE_UNAVAILABLE, "The store is not available", retry after 1;
    /// A queue or a budget is full; nothing was stored.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The server is at its limit", retry after 1;
    /// The tables have not reached the consistency token in time.
    ProjectionBehind = "projection-behind", SERVICE_UNAVAILABLE, "The answer is not as fresh as asked yet", retry after 1;
    /// The tables will not reach the consistency token until an operator acts.
    ProjectionHalted = "projection-halted", SERVICE_UNAVAILABLE, "A projection is halted", retry after 30;
    /// A token of another log than the one that is served.
    LogReplaced = "log-replaced", SERVICE_UNAVAILABLE, "The token belongs to another log", retry after 30;
    /// The process is starting, stopping, or misses what it depends on.
    NotReady = "not-ready", SERVICE_UNAVAILABLE, "The process is not ready", retry after 1;
    /// Whether the log took the event is not known.
    OutcomeUnknown = "outcome-unknown", GATEWAY_TIMEOUT, "Whether the request took effect is not known";
    /// The disk is full, or the log is damaged; nothing was stored.
    StorageFull = "storage-full", INSUFFICIENT_STORAGE, "The log takes no more records";
}
