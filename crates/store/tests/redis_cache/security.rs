//! A Redis that wants to know who asks, and shows who it is.

use std::path::PathBuf;

use hubbub_store::{Error, RedisCache, RedisSettings, Store, TlsSettings, Watched};
use hubbub_tables::Posts;
use hubbub_testkit::{
    authority::Authority,
    memory_store::MemoryStore,
    server::{Server, redis},
};

use crate::support::{World, change, log};

/// What hubbub needs, and no more.
const USER: &[&str] = &[
    "hubbub",
    "on",
    ">a-secret",
    "~hubbub*",
    "-@all",
    "+ping",
    "+select",
    "+get",
    "+getrange",
    "+set",
    "+exists",
    "+evalsha",
    "+script|load",
];

/// A server that shows a certificate of the authority's.
fn server(authority: &Authority, arguments: &[&str]) -> Server {
    authority.vouch("server");
    let file = |name| authority.path(name).display().to_string();
    let [certificate, key, ca] = ["server.pem", "server.key", "ca.pem"].map(file);
    let mut all =
        vec!["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    all.extend(arguments);
    redis::start(&all)
}

fn settings(authority: &Authority, server: &Server) -> RedisSettings {
    let mut settings = redis::settings(&server.address());
    settings.tls = TlsSettings { enabled: true, ca_file: authority.path("ca.pem"), ..settings.tls };
    settings
}

/// Nothing is served, and nobody is the worse for it.
async fn assert_left_out(settings: RedisSettings, what: &str) {
    let world = World::with(settings).await;
    world.put("p", "text", 7);
    for _ in 0..3 {
        assert_eq!(world.content("p").await, "text", "{what}");
    }
    assert_eq!(world.redis("skipped"), 3, "{what}");
}

#[tokio::test]
async fn a_user_with_a_password_and_few_rights_is_served() {
    let server = redis::start(&[&["--user"], USER, &["--user", "default", "off"]].concat());
    let login = |username: &str, password: &str| {
        let mut settings = redis::settings(&server.address());
        settings.username = username.to_owned();
        settings.password = password.to_owned().into();
        settings
    };
    World::with_entry(login("hubbub", "a-secret")).await;
    assert_left_out(login("hubbub", "guessed"), "another password").await;
    assert_left_out(login("", ""), "nobody").await;
}

/// Who may not ask whether an entry exists leaves that to the script.
#[tokio::test]
async fn a_refresh_makes_no_entry_even_where_nobody_could_ask_for_it_before() {
    let server = redis::start(&[&["--user"], USER, &["-exists"]].concat());
    let mut settings = redis::settings(&server.address());
    settings.username = "hubbub".to_owned();
    settings.password = "a-secret".to_owned().into();
    let world = World::with_entry(settings).await;
    let posts = Watched::new(MemoryStore::new(), world.cache.clone()).table::<Posts>(1).unwrap();
    posts.apply(vec![change("p", "new", 20), change("unread", "new", 21)]).await.unwrap();
    world.until("both are told", || world.counters.refreshes("absent") == 1).await;
    assert_eq!(world.counters.refreshes("written"), 1);
    assert_eq!(world.raw().await.keys().await.len(), 1);
}

#[tokio::test]
async fn a_password_alone_is_that_of_the_default_user() {
    let server = redis::start(&["--requirepass", "a-secret"]);
    let mut settings = redis::settings(&server.address());
    assert_left_out(settings.clone(), "no password").await;
    settings.password = "a-secret".to_owned().into();
    settings.database = 3;
    World::with_entry(settings).await;
}

#[tokio::test]
async fn connections_are_encrypted_and_the_server_is_vouched_for() {
    let authority = Authority::new();
    let server = server(&authority, &["--tls-auth-clients", "no"]);
    let settings = settings(&authority, &server);
    World::with_entry(settings.clone()).await;

    let plain = RedisSettings { tls: TlsSettings::default(), ..settings.clone() };
    assert_left_out(plain, "without encryption").await;
    let other = Authority::new();
    let ca_file = other.path("ca.pem");
    let tls = TlsSettings { ca_file, ..settings.tls.clone() };
    assert_left_out(RedisSettings { tls, ..settings.clone() }, "another authority").await;
    // Whom the system trusts has not vouched for it.
    let tls = TlsSettings { ca_file: PathBuf::new(), ..settings.tls.clone() };
    assert_left_out(RedisSettings { tls, ..settings.clone() }, "the system's authorities").await;
    let address = format!("localhost:{}", settings.address.port()).try_into().unwrap();
    assert_left_out(RedisSettings { address, ..settings }, "another name").await;
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_is_shown_one() {
    let authority = Authority::new();
    let server = server(&authority, &["--tls-auth-clients", "yes"]);
    let mut settings = settings(&authority, &server);
    assert_left_out(settings.clone(), "without a certificate").await;
    authority.vouch("client");
    settings.tls.certificate_file = authority.path("client.pem");
    settings.tls.key_file = authority.path("client.key");
    World::with_entry(settings).await;
}

#[tokio::test]
async fn files_that_cannot_be_used_stop_the_start_by_name() {
    let refused = async |tls: TlsSettings| {
        let settings = RedisSettings { tls, ..redis::settings("127.0.0.1:1") };
        match RedisCache::connect(&settings, log()).await {
            Err(Error::Permanent(why)) => why,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("it was not refused"),
        }
    };
    let file = || PathBuf::from("/nowhere/at-all.pem");
    let enabled = TlsSettings { enabled: true, ..TlsSettings::default() };
    for (tls, named) in [
        (TlsSettings { ca_file: file(), ..enabled.clone() }, "/nowhere/at-all.pem"),
        (TlsSettings { key_file: file(), ..enabled.clone() }, "redis.tls.certificate_file"),
        (TlsSettings { ca_file: file(), enabled: false, ..enabled }, "redis.tls.enabled"),
    ] {
        let why = refused(tls).await;
        assert!(why.contains(named), "{why}");
    }
}
