//! A certificate authority of a test's own, for servers that show who they are.

use std::{
    fmt::Display,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use tempfile::TempDir;

/// An authority, whose own certificate is `ca.pem`, and certificates that it gave out.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// One that has given out nothing yet.
    ///
    /// # Panics
    /// Where it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let folder = made(tempfile::tempdir());
        let mut params = made(CertificateParams::new(Vec::new()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = made(KeyPair::generate());
        let own = made(params.self_signed(&key)).pem();
        made(fs::write(folder.path().join("ca.pem"), own));
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// Gives out a certificate for 127.0.0.1, in the files `<name>.pem` and `<name>.key`.
    ///
    /// # Panics
    /// Where they cannot be written.
    pub fn vouch(&self, name: &str) {
        let mut params = made(CertificateParams::new(Vec::new()));
        params.subject_alt_names = vec![SanType::IpAddress(IpAddr::from([127, 0, 0, 1]))];
        // One that is named as its authority would count as signed by itself.
        params.distinguished_name.push(DnType::CommonName, name);
        let key = made(KeyPair::generate());
        let certificate = made(params.signed_by(&key, &self.issuer));
        made(fs::write(self.path(&format!("{name}.pem")), certificate.pem()));
        made(fs::write(self.path(&format!("{name}.key")), key.serialize_pem()));
    }

    /// The path of one of its files.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The folder of its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn made<T, E: Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("no certificates: {error}"))
}
