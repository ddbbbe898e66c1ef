//! A Cassandra that demands a name, a password and encryption, and tells readers from
//! writers.

use std::{fs, sync::Arc, time::Duration};

use hubbub_events::Stamp;
use hubbub_store::{
    CassandraSettings, CassandraStore, Error, Store, TlsSettings, cassandra::Schema,
};
use hubbub_tables::{
    Change, Reason, Receipts, Stored,
    posts::{Receipt, ReceiptOutcome},
};
use hubbub_testkit::{
    authority::Authority,
    client::eventually,
    server::{Server, cassandra},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use scylla::client::session_builder::SessionBuilder;

use crate::keyspace::Keyspace;

/// The superuser that a new Cassandra makes for itself.
const SUPERUSER: &str = "cassandra";
const PATIENCE: Duration = Duration::from_secs(120);

/// A node with a certificate of an authority that is made for it.
fn secured(authority: &Authority) -> Server {
    authority.vouch("node");
    let pem =
        ["node.key", "node.pem"].map(|file| fs::read_to_string(authority.path(file)).unwrap());
    fs::write(authority.path("keystore.pem"), pem.concat()).unwrap();
    let folder = authority.folder().display();
    cassandra::start(&format!(
        "authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
client_encryption_options:
  enabled: true
  optional: false
  keystore: {folder}/keystore.pem
  truststore: {folder}/ca.pem
  require_client_auth: false
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
"
    ))
}

fn settings(node: &Server, authority: &Authority, login: (&str, &str)) -> CassandraSettings {
    let tls =
        TlsSettings { enabled: true, ca_file: authority.path("ca.pem"), ..TlsSettings::default() };
    CassandraSettings {
        contact_points: vec![node.address()],
        username: login.0.to_owned(),
        password: login.1.to_owned().into(),
        tls,
        start_timeout: Duration::from_secs(1),
        ..Keyspace::absent().settings()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_demands_tls_and_a_password_gets_both() {
    let authority = Authority::new();
    let node = secured(&authority);
    let right = settings(&node, &authority, (SUPERUSER, SUPERUSER));
    // It makes its superuser after it has begun to answer.
    let schema = eventually(PATIENCE, || Schema::connect(&right)).await;
    schema.apply().await.unwrap();
    let store = CassandraStore::connect(&right).await.unwrap();
    hubbub_testkit::store_conformance::every_column_comes_back(&store).await;

    let stranger = Authority::new();
    let untrusted = TlsSettings { ca_file: stranger.path("ca.pem"), ..right.tls.clone() };
    for (wrong, told) in [
        (settings(&node, &authority, (SUPERUSER, "wrong")), "password"),
        (settings(&node, &authority, ("", "")), "username"),
        (CassandraSettings { tls: TlsSettings::default(), ..right.clone() }, ""),
        (CassandraSettings { tls: untrusted, ..right.clone() }, "certificate"),
    ] {
        let refused = CassandraStore::connect(&wrong).await.err().unwrap().to_string();
        assert!(refused.to_lowercase().contains(told), "{told}: {refused}");
    }
    readers_read_and_write_nothing(&right, &authority).await;
}

/// As the end of schema.cql makes them.
async fn readers_read_and_write_nothing(superuser: &CassandraSettings, authority: &Authority) {
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authority.path("ca.pem")).unwrap() {
        trusted.add(certificate.unwrap()).unwrap();
    }
    let tls = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
    let session = SessionBuilder::new()
        .known_node(&superuser.contact_points[0])
        .user(SUPERUSER, SUPERUSER)
        .tls_context(Some(Arc::new(tls)))
        .build()
        .await
        .unwrap();
    let keyspace = &superuser.keyspace;
    for statement in [
        "CREATE ROLE hubbub_reader WITH LOGIN = true AND PASSWORD = 'reading'".to_owned(),
        format!("GRANT SELECT ON KEYSPACE {keyspace} TO hubbub_reader"),
    ] {
        session.query_unpaged(statement, ()).await.unwrap();
    }
    let reader = CassandraSettings {
        username: "hubbub_reader".to_owned(),
        password: "reading".to_owned().into(),
        ..superuser.clone()
    };
    let store = CassandraStore::connect(&reader).await.unwrap();
    let receipts = store.table::<Receipts>(1).unwrap();
    let key = (String::from("t"), 1, 0, 0);
    assert_eq!(receipts.heads(std::slice::from_ref(&key)).await.unwrap(), [None]);
    let receipt = Receipt {
        event_id: "e".to_owned(),
        outcome: ReceiptOutcome::Applied,
        reason: Reason::None,
    };
    let head = Stored { stamp: Stamp::new(1, 0), record: receipt };
    let change = Change { partition: key, head: Some(head), rows: Vec::new() };
    let refused = receipts.apply(vec![change]).await;
    assert!(matches!(refused, Err(Error::Permanent(_))), "{refused:?}");
}
