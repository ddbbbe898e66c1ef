//! Where Redis is, and how it is spoken to.

use std::{fs, path::Path};

use ::redis::{
    Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisError,
    TlsCertificates, io::tcp::TcpSettings,
};
use secrecy::ExposeSecret;

use super::settings::RedisSettings;
use crate::{Error, TlsSettings};

/// A client that has not connected yet.
pub(super) fn client(settings: &RedisSettings) -> Result<Client, Error> {
    settings.check().map_err(Error::Permanent)?;
    let certificates = certificates(&settings.tls)?;
    let (host, port) = (settings.address.host().to_owned(), settings.address.port());
    let address = match certificates {
        None => ConnectionAddr::Tcp(host, port),
        Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
    };
    let mut login = RedisConnectionInfo::default().set_db(settings.database.into());
    if !settings.username.is_empty() {
        login = login.set_username(&settings.username);
    }
    let password = settings.password.expose_secret();
    if !password.is_empty() {
        login = login.set_password(password);
    }
    let info = address
        .into_connection_info()
        .map_err(unusable)?
        .set_redis_settings(login)
        .set_tcp_settings(TcpSettings::default().set_nodelay(true));
    match certificates {
        None => Client::open(info).map_err(unusable),
        Some(certificates) => Client::build_with_tls(info, certificates).map_err(unusable),
    }
}

fn unusable(error: RedisError) -> Error {
    Error::Permanent(format!("the settings of Redis cannot be used: {error}"))
}

/// `None`: no encryption.
fn certificates(tls: &TlsSettings) -> Result<Option<TlsCertificates>, Error> {
    if !tls.enabled {
        return Ok(None);
    }
    let client_cert = read(&tls.certificate_file)?;
    let client_key = read(&tls.key_file)?;
    let client_tls = client_cert
        .zip(client_key)
        .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key });
    Ok(Some(TlsCertificates { client_tls, root_cert: read(&tls.ca_file)? }))
}

fn read(file: &Path) -> Result<Option<Vec<u8>>, Error> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let unreadable =
        |error| Error::Permanent(format!("{} cannot be read: {error}", file.display()));
    fs::read(file).map(Some).map_err(unreadable)
}
