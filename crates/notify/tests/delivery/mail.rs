//! E-mail, to a server that speaks as much of SMTP as is needed.

use orchestrator_notify::{Bounds, Destination, FailureKind, Kind, Outcome};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::support::{config, message, quick, run};

/// Answers to the address of whoever it is for, one after the other; 250 afterwards.
async fn server(recipients: &'static [u16]) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut answers = recipients.iter().copied();
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answers.next().unwrap_or(250);
            // Who goes away in the middle is none of the test's business.
            let _ = converse(stream, answer, &tell).await;
        }
    });
    (port, heard)
}

async fn converse(stream: TcpStream, answer: u16, tell: &mpsc::UnboundedSender<String>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 here\r\n").await?;
    let (mut line, mut said) = (String::new(), String::new());
    while stream.read_line(&mut line).await? > 0 {
        said.push_str(&line);
        let verb = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => "250-here\r\n250 AUTH PLAIN\r\n".to_owned(),
            "AUTH" => "235 welcome\r\n".to_owned(),
            "RCPT" => format!("{answer} said\r\n"),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                loop {
                    line.clear();
                    stream.read_line(&mut line).await?;
                    if line == ".\r\n" {
                        break;
                    }
                    said.push_str(&line);
                }
                let _ = tell.send(said.clone());
                "250 taken\r\n".to_owned()
            }
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 well\r\n".to_owned(),
        };
        stream.write_all(reply.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

fn email(port: u16) -> Destination {
    Destination {
        host: Some("127.0.0.1".to_owned()),
        port: Some(port),
        user: Some("robot".to_owned()),
        password: Some("pass phrase".to_owned().into()),
        from: Some("Orchestrator <robot@example.org>".to_owned()),
        to: vec!["ops@example.org".to_owned(), "Boss <boss@example.org>".to_owned()],
        ..Destination::new(Kind::Email)
    }
}

#[tokio::test]
async fn an_e_mail_goes_to_everybody_and_says_no_secret() {
    let (port, mut heard) = server(&[]).await;
    let running = run(config(email(port), quick()));
    assert_eq!(running.tell(message("m1", "k")).await, Outcome::Delivered { attempt: 1 });
    let said = heard.recv().await.unwrap();
    for part in [
        "MAIL FROM:<robot@example.org>",
        "RCPT TO:<ops@example.org>",
        "RCPT TO:<boss@example.org>",
        "Subject: [critical] kettle m1",
        "Message-ID: <m1@example.org>",
        "Auto-Submitted: auto-generated",
        "https[:]//evil.example/",
        "kettle.dry at 2023-11-14T22:13:20",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn who_says_later_gets_it_later_and_who_says_no_does_not() {
    let (port, mut heard) = server(&[451]).await;
    let running = run(config(email(port), quick()));
    assert_eq!(running.tell(message("m1", "k")).await, Outcome::Delivered { attempt: 2 });
    heard.recv().await.unwrap();

    let (port, _heard) = server(&[550]).await;
    let outcome = run(config(email(port), quick())).tell(message("m1", "k")).await;
    let Outcome::Failed { attempts: 1, failure } = outcome else { panic!("{outcome:?}") };
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Refused, "127.0.0.1 answered 550"));
}

#[tokio::test]
async fn who_offers_no_tls_where_it_is_asked_for_gets_nothing() {
    let (port, mut heard) = server(&[]).await;
    let destination = Destination { tls: Some(orchestrator_notify::Tls::StartTls), ..email(port) };
    let outcome = run(config(destination, Bounds { attempts_max: 1, ..quick() })).tell(message("m1", "k")).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(heard.try_recv().is_err());
}
