//! TLS and SASL, against a broker that demands both.

use std::path::Path;
use std::process::Command;

use hubbub_stream::kafka::{SaslMechanism, SaslSettings, TlsSettings, topics};
use hubbub_stream::{Error, KafkaLog, KafkaSettings};
use hubbub_testkit::log_conformance::{Follower, append, posts, records};

use crate::support::settings;
use hubbub_testkit::server::{Server, kafka};

const PASSWORD: &str = "not-a-secret";

fn keytool(folder: &Path, arguments: &[&str]) {
    let mut keytool = Command::new("keytool");
    let output = keytool.current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// A certificate authority, and a broker's certificate that it vouches for.
fn certificates(folder: &Path) {
    let store =
        |name: &'static str| ["-keystore", name, "-storepass", PASSWORD, "-storetype", "PKCS12"];
    let run = |arguments: &[&str], at: [&'static str; 6]| {
        keytool(folder, &[arguments, &at[..]].concat());
    };
    let key = ["-keyalg", "RSA", "-keysize", "2048", "-validity", "3"];
    let ca = [&["-genkeypair", "-alias", "ca", "-dname", "CN=test CA", "-ext", "bc:c"], &key[..]];
    run(&ca.concat(), store("ca.p12"));
    run(&["-exportcert", "-alias", "ca", "-rfc", "-file", "ca.pem"], store("ca.p12"));
    let own = [&["-genkeypair", "-alias", "broker", "-dname", "CN=broker"], &key[..]];
    run(&own.concat(), store("broker.p12"));
    run(&["-certreq", "-alias", "broker", "-file", "broker.csr"], store("broker.p12"));
    let sign = ["-gencert", "-alias", "ca", "-ext", "SAN=IP:127.0.0.1", "-validity", "3", "-rfc"];
    run(
        &[&sign[..], &["-infile", "broker.csr", "-outfile", "broker.pem"]].concat(),
        store("ca.p12"),
    );
    let import = ["-importcert", "-noprompt"];
    run(&[&import[..], &["-alias", "ca", "-file", "ca.pem"]].concat(), store("broker.p12"));
    run(&[&import[..], &["-alias", "broker", "-file", "broker.pem"]].concat(), store("broker.p12"));
}

fn secured() -> Server {
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
    let plain = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required user_bob=\"{PASSWORD}\";"
    );
    kafka::start_with(
        &[
            ("listeners", "CLIENTS://127.0.0.1:@PORT@,CONTROLLER://127.0.0.1:@CONTROLLER_PORT@"),
            ("advertised.listeners", "CLIENTS://127.0.0.1:@PORT@"),
            ("inter.broker.listener.name", "CLIENTS"),
            ("listener.security.protocol.map", "CLIENTS:SASL_SSL,CONTROLLER:PLAINTEXT"),
            ("sasl.enabled.mechanisms", "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN"),
            ("sasl.mechanism.inter.broker.protocol", "SCRAM-SHA-512"),
            ("listener.name.clients.scram-sha-256.sasl.jaas.config", scram),
            (
                "listener.name.clients.scram-sha-512.sasl.jaas.config",
                &scram.replace(';', &format!(" username=\"alice\" password=\"{PASSWORD}\";")),
            ),
            ("listener.name.clients.plain.sasl.jaas.config", &plain),
            ("ssl.keystore.location", "@FOLDER@/broker.p12"),
            ("ssl.keystore.password", PASSWORD),
            ("ssl.truststore.location", "@FOLDER@/broker.p12"),
            ("ssl.truststore.password", PASSWORD),
        ],
        &[
            "--add-scram",
            &format!("SCRAM-SHA-256=[name=alice,password={PASSWORD}]"),
            "--add-scram",
            &format!("SCRAM-SHA-512=[name=alice,password={PASSWORD}]"),
        ],
        certificates,
    )
}

fn of(broker: &Server, mechanism: SaslMechanism, username: &str, password: &str) -> KafkaSettings {
    KafkaSettings {
        tls: TlsSettings {
            enabled: true,
            ca_file: broker.folder().join("ca.pem"),
            ..TlsSettings::default()
        },
        sasl: SaslSettings {
            mechanism,
            username: username.to_owned(),
            password: password.to_owned().into(),
        },
        ..settings(&broker.address())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_demands_tls_and_a_password_gets_both() {
    let broker = secured();
    for (mechanism, username) in [
        (SaslMechanism::ScramSha256, "alice"),
        (SaslMechanism::ScramSha512, "alice"),
        (SaslMechanism::Plain, "bob"),
    ] {
        let settings = of(&broker, mechanism, username, PASSWORD);
        while let Err(Error::Transient(_)) = topics::apply(&settings).await {}
        let log = KafkaLog::open(&settings).await.unwrap();
        append(&log, &records(posts(0), 0..10)).await;
        let mut follower = Follower::join(&log, "secured", hubbub_events::Topic::Posts, []).await;
        follower.until(posts(0), 10).await;
    }
    let right = of(&broker, SaslMechanism::ScramSha256, "alice", PASSWORD);
    let untrusted = TlsSettings { ca_file: Default::default(), ..right.tls.clone() };
    for (what, wrong) in [
        ("a wrong password", of(&broker, SaslMechanism::ScramSha256, "alice", "wrong")),
        ("no TLS", KafkaSettings { tls: TlsSettings::default(), ..right.clone() }),
        ("an unknown authority", KafkaSettings { tls: untrusted, ..right.clone() }),
        ("no name", KafkaSettings { sasl: SaslSettings::default(), ..right.clone() }),
    ] {
        let refused = KafkaLog::open(&wrong).await;
        assert!(matches!(refused, Err(Error::Transient(_))), "{what}");
    }
}
