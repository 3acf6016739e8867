use orchestrator_notify::{Bounds, Config, Destination, Error, FailureKind, Kind, Outcome, SignedHeaders, Signer};
use orchestrator_vocab::{Clock as _, SystemClock};
use secrecy::SecretString;
use tokio::time::Instant;

use crate::support::{SECRET, Say, Server, config, message, quick, run, webhook};

fn now_s() -> u64 {
    u64::try_from(SystemClock.now().millis() / 1_000).unwrap()
}

#[tokio::test]
async fn a_webhook_is_signed_and_says_no_secret() {
    let mut server = Server::start(&[]).await;
    let running = run(config(webhook(&server.url), quick()));
    assert_eq!(running.tell(message("m1", "k")).await, Outcome::Delivered { attempt: 1 });
    let heard = server.next().await;
    let headers = SignedHeaders {
        id: heard.header("webhook-id"),
        timestamp: heard.header("webhook-timestamp"),
        signature: heard.header("webhook-signature"),
    };
    assert_eq!(headers.id, "m1");
    let signer = Signer::new(&SecretString::from(SECRET)).unwrap();
    signer.verify(&headers, now_s(), &heard.body).unwrap();
    let other = Signer::new(&SecretString::from("some other secret of enough bytes")).unwrap();
    other.verify(&headers, now_s(), &heard.body).unwrap_err();
    let body = heard.json();
    assert_eq!((&body["type"], &body["data"]["severity"]), (&"kettle.dry".into(), &"critical".into()), "{body}");
    assert_eq!(body["data"]["text"], "The password is [redacted], see https[:]//evil.example/");
    assert!(!body.to_string().contains("hunter2"), "{body}");
}

#[tokio::test]
async fn who_is_busy_is_left_alone_as_long_as_it_says_and_then_gets_the_same() {
    let mut server = Server::start(&[Say::Later(1), Say::Status(500)]).await;
    let running = run(config(webhook(&server.url), quick()));
    let begun = Instant::now();
    assert_eq!(running.tell(message("m1", "k")).await, Outcome::Delivered { attempt: 3 });
    assert!(begun.elapsed().as_millis() >= 1_000, "{:?}", begun.elapsed());
    let ids = [server.next().await, server.next().await, server.next().await].map(|heard| heard.header("webhook-id"));
    assert_eq!(ids, ["m1", "m1", "m1"]);
    let info = &running.notifier.list()[0];
    assert_eq!((info.delivered, info.failed, info.last.clone().unwrap().problem), (1, 0, None));
}

#[tokio::test]
async fn what_will_never_be_taken_is_given_up_at_once_and_what_fails_on_after_so_many() {
    let server = Server::start(&[Say::Status(410)]).await;
    let running = run(config(webhook(&server.url), quick()));
    let outcome = running.tell(message("m1", "k")).await;
    let Outcome::Failed { attempts: 1, failure } = outcome else { panic!("{outcome:?}") };
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Refused, "it answered 410"));

    let server = Server::start(&[Say::Status(500); 3]).await;
    let running = run(config(webhook(&server.url), Bounds { attempts_max: 3, ..quick() }));
    let outcome = running.tell(message("m1", "k")).await;
    assert!(matches!(outcome, Outcome::Failed { attempts: 3, .. }), "{outcome:?}");
    assert_eq!(*running.reports.lock().unwrap(), ["ops 1 failed"]);
    let info = running.notifier.list().remove(0);
    assert_eq!((info.failed, info.last.unwrap().problem.as_deref()), (1, Some("it answered 500")));
    // It was not delivered, so the next with its key is none too many.
    assert_eq!(running.tell(message("m2", "k")).await, Outcome::Delivered { attempt: 1 });
}

#[tokio::test]
async fn who_says_nothing_or_is_not_there_is_tried_again() {
    let bounds = Bounds { timeout_ms: 50, attempts_max: 2, ..quick() };
    let server = Server::start(&[Say::Nothing]).await;
    let running = run(config(webhook(&server.url), Bounds { timeout_ms: 1_000, ..bounds.clone() }));
    assert_eq!(running.tell(message("m1", "k")).await, Outcome::Delivered { attempt: 2 });
    let running = run(config(webhook("http://127.0.0.1:1/"), bounds));
    let outcome = running.tell(message("m1", "k")).await;
    let Outcome::Failed { attempts: 2, failure } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.kind, FailureKind::Unreachable, "{failure}");
}

#[tokio::test]
async fn an_address_of_this_machine_is_refused_unless_it_is_listed() {
    let mut server = Server::start(&[]).await;
    let config = Config { allow_networks: Vec::new(), ..config(webhook(&server.url), quick()) };
    let outcome = run(config).tell(message("m1", "k")).await;
    let Outcome::Failed { attempts: 1, failure } = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.kind, FailureKind::Forbidden, "{failure}");
    assert!(!failure.message.contains("s3cret-path"), "{failure}");
    assert!(server.heard_nothing_more());
}

#[tokio::test]
async fn the_same_again_is_not_sent_and_something_else_is() {
    let mut server = Server::start(&[]).await;
    let running = run(config(webhook(&server.url), quick()));
    assert_eq!(running.tell(message("m1", "k")).await, Outcome::Delivered { attempt: 1 });
    assert_eq!(running.tell(message("m2", "k")).await, Outcome::Duplicate);
    assert_eq!(running.tell(message("m3", "l")).await, Outcome::Delivered { attempt: 1 });
    let ids = [server.next().await, server.next().await].map(|heard| heard.header("webhook-id"));
    assert_eq!(ids, ["m1", "m3"]);
    assert_eq!(*running.reports.lock().unwrap(), ["ops 1 delivered", "ops 1 duplicate", "ops 1 delivered"]);
}

/// The first is held up by the server, until it has been tried once; what comes meanwhile is more than there may be.
#[tokio::test]
async fn what_is_too_much_is_summed_up_and_nothing_of_it_is_lost() {
    let mut server = Server::start(&[Say::Later(1)]).await;
    let running = run(config(webhook(&server.url), Bounds { per_minute: 2, queue_max: 14, ..quick() }));
    let first = running.notifier.send("ops", message("m0", "k0")).unwrap();
    server.next().await;
    let rest: Vec<_> =
        (1..15).map(|n| running.notifier.send("ops", message(&format!("m{n}"), &format!("k{n}"))).unwrap()).collect();
    let full = running.notifier.send("ops", message("m15", "k15")).unwrap_err();
    assert_eq!(full, Error::Full { destination: "ops".into(), waiting: 14 });
    assert_eq!(first.outcome().await, Some(Outcome::Delivered { attempt: 2 }));
    for receipt in rest {
        assert_eq!(receipt.outcome().await, Some(Outcome::Delivered { attempt: 1 }));
    }
    server.next().await;
    let summary = server.next().await.json();
    assert_eq!((&summary["type"], &summary["data"]["count"]), (&"summary".into(), &14.into()), "{summary}");
    assert_eq!(summary["data"]["title"], "kettle m1 (and 13 more)");
    assert_eq!(summary["data"]["messages"].as_array().unwrap().len(), 14);
    assert!(server.heard_nothing_more());
}

#[tokio::test]
async fn slack_gets_text_without_markup() {
    let mut server = Server::start(&[]).await;
    let slack = Destination { url: Some(server.url.clone().into()), ..Destination::new(Kind::Slack) };
    let running = run(config(slack, quick()));
    assert_eq!(running.tell(message("m1", "k")).await, Outcome::Delivered { attempt: 1 });
    let body = server.next().await.json();
    assert_eq!(body["text"], "[critical] kettle m1");
    assert!(!body.to_string().contains("hunter2") && !body.to_string().contains("://"), "{body}");
}

#[tokio::test]
async fn a_test_goes_past_everything_that_waits_and_tells_what_came_of_it() {
    let server = Server::start(&[Say::Status(503)]).await;
    let running = run(config(webhook(&server.url), quick()));
    let failure = running.notifier.try_now("ops", message("t1", "")).await.unwrap().unwrap_err();
    assert_eq!(failure.message, "it answered 503");
    running.notifier.try_now("ops", message("t2", "")).await.unwrap().unwrap();
    assert_eq!(running.notifier.try_now("nobody", message("t3", "")).await, Err(Error::Unknown("nobody".into())));
    assert!(running.notifier.send("nobody", message("t3", "")).is_err());
}

#[tokio::test]
async fn what_was_not_sent_when_it_stops_is_said_to_be() {
    let mut server = Server::start(&[Say::Nothing]).await;
    let running = run(config(webhook(&server.url), quick()));
    let receipt = running.notifier.send("ops", message("m1", "k")).unwrap();
    server.next().await;
    let notifier = running.notifier.clone();
    drop(running);
    assert_eq!(receipt.outcome().await, None);
    drop(notifier);
}
