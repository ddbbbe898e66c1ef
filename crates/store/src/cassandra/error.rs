//! Which failures waiting mends, and which it does not.

use std::{fmt, io};

use scylla::errors::{
    ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError,
    MetadataError, NewSessionError, PrepareError, RequestAttemptError,
};

use crate::Error;

/// A request failed.
pub(super) fn of_request(error: &ExecutionError) -> Error {
    let is_permanent = match error {
        ExecutionError::BadQuery(_) => true,
        ExecutionError::LastAttemptError(attempt) => attempt_is_permanent(attempt),
        ExecutionError::PrepareError(error) => prepare_is_permanent(error),
        // Pools reconnect by themselves for as long as it takes; the rest is time-outs.
        _ => false,
    };
    either(is_permanent, error.to_string())
}

/// A statement could not be prepared.
pub(super) fn of_prepare(statement: &str, error: &PrepareError) -> Error {
    either(prepare_is_permanent(error), format!("{statement}: {error}"))
}

/// The cluster could not be connected to. Here, unlike later, a refused login is final:
/// it was never accepted.
pub(super) fn of_start(at: &str, error: &NewSessionError) -> Error {
    match error {
        NewSessionError::EmptyKnownNodesList | NewSessionError::IllegalConfig(_) => mistake(error),
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(
            ConnectionPoolError::Broken { last_connection_error },
        )) => of_connection(at, last_connection_error),
        _ => Error::Transient(format!("connecting to {at}: {error}")),
    }
}

fn either(is_permanent: bool, message: String) -> Error {
    if is_permanent { Error::Permanent(message) } else { Error::Transient(message) }
}

fn prepare_is_permanent(error: &PrepareError) -> bool {
    match error {
        PrepareError::AllAttemptsFailed { first_attempt } => attempt_is_permanent(first_attempt),
        PrepareError::PreparedStatementIdsMismatch => true,
        _ => false,
    }
}

fn attempt_is_permanent(error: &RequestAttemptError) -> bool {
    match error {
        RequestAttemptError::DbError(error, message) => answer_is_permanent(error, message),
        RequestAttemptError::UnableToAllocStreamId
        | RequestAttemptError::BrokenConnectionError(_) => false,
        // What was sent or answered cannot be read: another try is no different.
        _ => true,
    }
}

/// Cassandra's own answers: those that name a mistake, as against a bad moment.
fn answer_is_permanent(error: &DbError, message: &str) -> bool {
    // So it refuses, too, where it cannot read in time who may do what.
    let cannot_tell = message.contains("Unable to perform auth");
    let is_mistake = matches!(
        error,
        DbError::SyntaxError
            | DbError::Invalid
            | DbError::AlreadyExists { .. }
            | DbError::FunctionFailure { .. }
            | DbError::AuthenticationError
            | DbError::Unauthorized
            | DbError::ConfigError
            | DbError::ProtocolError
    );
    is_mistake && !cannot_tell
}

fn of_connection(at: &str, error: &ConnectionError) -> Error {
    let is_permanent = match error {
        // A TLS handshake that fails arrives as an I/O error of this kind.
        ConnectionError::IoError(error) => error.kind() == io::ErrorKind::InvalidData,
        ConnectionError::ConnectionSetupRequestError(error) => match error.get_error() {
            ConnectionSetupRequestErrorKind::MissingAuthentication => {
                return mistake("the cluster asks for a login, and no username is set");
            }
            ConnectionSetupRequestErrorKind::DbError(error, message) => {
                answer_is_permanent(error, message)
            }
            _ => false,
        },
        _ => false,
    };
    either(is_permanent, format!("connecting to {at}: {error}"))
}

/// Values do not fit their columns, or an answer does not: a mistake of ours, or of
/// whoever wrote by hand.
pub(super) fn mistake(error: impl fmt::Display) -> Error {
    Error::Permanent(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scylla::{
        errors::{BadQuery, WriteType},
        frame::types::Consistency,
    };

    use super::*;

    fn answered(error: DbError) -> Error {
        answered_with(error, "as Cassandra says")
    }

    fn answered_with(error: DbError, message: &str) -> Error {
        let attempt = RequestAttemptError::DbError(error, message.to_owned());
        of_request(&ExecutionError::LastAttemptError(attempt))
    }

    #[test]
    fn what_waiting_mends_is_transient() {
        let consistency = Consistency::LocalQuorum;
        let no_answer = "Unable to perform authorization of permissions: Cannot achieve consistency level LOCAL_ONE";
        for error in [
            answered_with(DbError::Unauthorized, no_answer),
            answered(DbError::Overloaded),
            answered(DbError::IsBootstrapping),
            answered(DbError::ServerError),
            answered(DbError::Unavailable { consistency, required: 2, alive: 1 }),
            answered(DbError::WriteTimeout {
                consistency,
                received: 1,
                required: 2,
                write_type: WriteType::UnloggedBatch,
            }),
            answered(DbError::ReadFailure {
                consistency,
                received: 1,
                required: 2,
                numfailures: 1,
                data_present: false,
            }),
            of_request(&ExecutionError::RequestTimeout(Duration::from_secs(5))),
            of_request(&ExecutionError::EmptyPlan),
            of_request(&ExecutionError::ConnectionPoolError(ConnectionPoolError::Initializing)),
            of_start(
                "db:9042",
                &NewSessionError::FailedToResolveAnyHostname(vec!["db".to_owned()]),
            ),
            of_start("db:9042", &refused(ConnectionError::ConnectTimeout)),
            of_start("db:9042", &refused(io::Error::from(io::ErrorKind::ConnectionRefused).into())),
        ] {
            assert!(matches!(error, Error::Transient(_)), "{error}");
        }
    }

    #[test]
    fn what_somebody_must_mend_is_permanent() {
        for error in [
            answered(DbError::SyntaxError),
            answered(DbError::Invalid),
            answered(DbError::Unauthorized),
            answered(DbError::ConfigError),
            of_request(&ExecutionError::BadQuery(BadQuery::PartitionKeyExtraction)),
            of_start("db:9042", &NewSessionError::EmptyKnownNodesList),
            of_start("db:9042", &refused(io::Error::from(io::ErrorKind::InvalidData).into())),
        ] {
            assert!(matches!(error, Error::Permanent(_)), "{error}");
        }
    }

    fn refused(last_connection_error: ConnectionError) -> NewSessionError {
        MetadataError::ConnectionPoolError(ConnectionPoolError::Broken { last_connection_error })
            .into()
    }
}
