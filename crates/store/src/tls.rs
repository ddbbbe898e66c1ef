//! Encryption of connections to servers.

use std::path::{Path, PathBuf};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde::Deserialize;

use crate::Error;

/// How connections to a server are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// Whether they are.
    pub enabled: bool,
    /// PEM: who may vouch for servers. Empty: whom the system trusts.
    pub ca_file: PathBuf,
    /// PEM: the certificate that hubbub shows. Empty: none.
    pub certificate_file: PathBuf,
    /// PEM: its key.
    pub key_file: PathBuf,
}

impl TlsSettings {
    /// What does not go together, by the names of a section's settings.
    pub(crate) fn problem(&self, section: &str) -> Option<String> {
        let files = [
            ("ca_file", &self.ca_file),
            ("certificate_file", &self.certificate_file),
            ("key_file", &self.key_file),
        ];
        let set = files.into_iter().find(|(_, path)| is_set(path));
        if let Some((name, path)) = set.filter(|_| !self.enabled) {
            let path = path.display();
            return Some(format!(
                "{section}.{name} is {path}, which needs {section}.enabled = true"
            ));
        }
        (is_set(&self.certificate_file) != is_set(&self.key_file)).then(|| {
            format!(
                "of {section}.certificate_file and {section}.key_file only one is set: both or \
                 none are allowed"
            )
        })
    }

    /// What connections are encrypted with; `None` where they are not.
    pub(crate) fn client_config(&self) -> Result<Option<ClientConfig>, Error> {
        if !self.enabled {
            return Ok(None);
        }
        let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Permanent(error.to_string()))?
            .with_root_certificates(self.authorities()?);
        if !is_set(&self.certificate_file) {
            return Ok(Some(builder.with_no_client_auth()));
        }
        let unusable = |error: &dyn std::fmt::Display| unusable(&self.key_file, error);
        let key = PrivateKeyDer::from_pem_file(&self.key_file).map_err(|error| unusable(&error))?;
        let config = builder.with_client_auth_cert(certificates(&self.certificate_file)?, key);
        config.map(Some).map_err(|error| unusable(&error))
    }

    fn authorities(&self) -> Result<RootCertStore, Error> {
        let mut authorities = RootCertStore::empty();
        if is_set(&self.ca_file) {
            for certificate in certificates(&self.ca_file)? {
                let added = authorities.add(certificate);
                added.map_err(|error| unusable(&self.ca_file, &error))?;
            }
            return Ok(authorities);
        }
        // Systems keep some that no client takes.
        authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if authorities.is_empty() {
            return Err(Error::Permanent(
                "the system trusts no certificate authority: name one in ca_file".to_owned(),
            ));
        }
        Ok(authorities)
    }
}

fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates: Vec<_> = certificates.map_err(|error| unusable(file, &error))?;
    if certificates.is_empty() {
        return Err(unusable(file, &"it holds no certificate in PEM"));
    }
    Ok(certificates)
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Permanent(format!("{} cannot be used for TLS: {error}", file.display()))
}
