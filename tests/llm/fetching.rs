//! Whom an agent may ask by HTTP, and whom it may not.

use orchestrator_rpc::Code;
use orchestrator_testkit::{Daemon, Socket};
use serde_json::{Value, json};

use crate::web::{Page, Web};
use crate::{Stage, call, history, session, turn, worked};

const METADATA: &str = "http://169.254.169.254/latest/meta-data/iam/";

fn page(body: &str) -> Page {
    Page::new(200, &[("content-type", "text/html; charset=utf-8")], body)
}

async fn daemon(stage: &Stage, allow: &[&str], http: Value) -> anyhow::Result<Daemon> {
    stage.daemon(json!([]), allow)?.config(json!({ "tools": { "http": http } })).start().await
}

fn loopback() -> Value {
    json!({ "allowNetworks": ["127.0.0.0/8"] })
}

async fn refused(socket: &mut Socket, tool: &str, arguments: Value) -> (Code, String) {
    let refused = socket.call("tool.call", json!({ "tool": tool, "arguments": arguments })).await.expect_err("refused");
    (refused.code, format!("{refused:?}"))
}

#[tokio::test]
async fn what_is_not_allowed_is_not_asked() -> anyhow::Result<()> {
    let (stage, web) = (Stage::new()?, Web::start([("/", page("inside"))]).await?);
    for (allow, http, tool, said) in [
        (&[][..], loopback(), "http.fetch", "http.fetch is not in tools.allow"),
        (&["http.fetch"][..], loopback(), "http.request", "http.request is not in tools.allow"),
        (&["http.*"][..], json!({}), "http.fetch", "127.0.0.1 is refused: its address is"),
        (&["http.*"][..], json!({}), "http.request", "127.0.0.1 is refused: its address is"),
        (&["http.*"][..], json!({ "onlyHosts": ["api.example"] }), "http.fetch", "none of the hosts that may be asked"),
    ] {
        let daemon = daemon(&stage, allow, http).await?;
        let arguments = json!({ "method": "GET", "url": web.url("/") });
        let (code, told) = refused(&mut daemon.admin().await, tool, arguments).await;
        assert!(code == Code::Forbidden && told.contains(said), "{told}");
    }
    assert_eq!(web.asked(), Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn what_is_allowed_is_asked_and_its_words_are_nobodys() -> anyhow::Result<()> {
    let moved = Page::new(301, &[("location", "/page")], "");
    let web = Web::start([("/", moved), ("/page", page("<h1>News</h1><script>x()</script><p>It rains.</p>"))]).await?;
    let stage = Stage::new()?;
    for http in [loopback(), json!({ "allowHosts": ["127.0.0.1"] })] {
        let daemon = daemon(&stage, &["http.*"], http).await?;
        let mut admin = daemon.admin().await;
        let fetch = json!({ "tool": "http.fetch", "arguments": { "url": web.url("/") } });
        let called = admin.call("tool.call", fetch).await?;
        assert!(called["content"].to_string().contains("# News\\n\\nIt rains."), "{called}");
        assert_eq!((&called["label"]["integrity"], &called["isError"]), (&json!("untrusted"), &json!(false)));
        assert_eq!(called["structured"]["url"], web.url("/page"));
        let arguments =
            json!({ "method": "POST", "url": web.url("/none"), "body": "{}", "headers": { "X-Api-Key": "k" } });
        let called = admin.call("tool.call", json!({ "tool": "http.request", "arguments": arguments })).await?;
        assert_eq!((&called["structured"]["status"], &called["isError"]), (&json!(404), &json!(true)));
        let tools = admin.call("tool.list", json!({})).await?;
        let is = |name: &str| {
            let tool = tools["tools"].as_array().into_iter().flatten().find(|tool| tool["name"] == name).cloned();
            tool.map(|tool| (tool["reads"].clone(), tool["repeat"].clone()))
        };
        assert_eq!(is("http.fetch"), Some((json!(true), json!("harmless"))));
        assert_eq!(is("http.request"), Some((json!(false), json!("effective"))));
    }
    assert_eq!(web.asked(), ["GET /", "GET /page", "POST /none", "GET /", "GET /page", "POST /none"]);
    Ok(())
}

#[tokio::test]
async fn what_leads_inside_is_refused_wherever_it_comes_from() -> anyhow::Result<()> {
    let to = |location: &str| Page::new(302, &[("location", location)], "");
    let web = Web::start([("/a", to("http://10.0.0.1/")), ("/b", to(METADATA)), ("/c", to("http://[::1]/"))]).await?;
    let stage = Stage::new()?;
    let daemon = daemon(&stage, &["http.*"], loopback()).await?;
    let mut admin = daemon.admin().await;
    let urls = [web.url("/a"), web.url("/b"), web.url("/c"), METADATA.to_owned(), "http://[fd00:ec2::254]/".to_owned()];
    for url in urls {
        for tool in ["http.fetch", "http.request"] {
            let (code, told) = refused(&mut admin, tool, json!({ "method": "GET", "url": url })).await;
            assert!(code == Code::Forbidden && told.contains("is refused: its address is"), "{url}: {told}");
        }
    }
    for (tool, header) in [
        ("http.fetch", "Authorization"),
        ("http.fetch", "Cookie"),
        ("http.request", "X-HTTP-Method-Override"),
        ("http.request", "Host"),
        ("http.request", "Proxy-Authorization"),
    ] {
        let arguments = json!({ "method": "GET", "url": web.url("/a"), "headers": { header: "x" } });
        let (code, told) = refused(&mut admin, tool, arguments).await;
        assert!(code == Code::Forbidden && told.contains(header), "{told}");
    }
    let values = json!({ "values": { "tools.http.allowNetworks": ["0.0.0.0/0"] } });
    let refused = admin.call("config.set", values).await.expect_err("in the file only");
    assert!(refused.message.contains("tools.http.allowNetworks"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn an_answer_has_an_end_in_bytes_and_in_time() -> anyhow::Result<()> {
    let long = Page::new(200, &[("content-type", "text/plain")], &"x".repeat(60_000));
    let web = Web::start([("/long", long), ("/silent", Page::silent())]).await?;
    let stage = Stage::new()?;
    let mut http = loopback();
    http["responseBytesMax"] = json!(20_000);
    let daemon = daemon(&stage, &["http.*"], http).await?;
    let mut admin = daemon.admin().await;
    let fetch = json!({ "tool": "http.fetch", "arguments": { "url": web.url("/long") } });
    let called = admin.call("tool.call", fetch).await?;
    let read = called["structured"]["bytes"].as_u64().unwrap_or_default();
    assert!(read > 0 && read <= 20_000 && called["structured"]["truncated"] == true, "{read}");
    let marked = format!("its last {} bytes were not read", 60_000 - read);
    assert!(called["content"].to_string().contains(&marked), "{}", called["structured"]["unreadBytes"]);
    let slow = json!({ "tool": "http.fetch", "arguments": { "url": web.url("/silent"), "timeoutMs": 300 } });
    let refused = admin.call("tool.call", slow).await.expect_err("it says nothing");
    assert!(refused.message.contains("took longer than 300 ms"), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn an_agent_reads_a_page_and_one_in_plan_mode_sends_nothing() -> anyhow::Result<()> {
    let web = Web::start([("/", page("<p>The answer is 42.</p>")), ("/send", page("sent"))]).await?;
    let stage = Stage::new()?.agent("reader", "tools: [WebFetch, http.request]\npermissionMode: plan")?;
    let rules = json!([
        turn(1, json!([call("http_fetch", json!({ "url": web.url("/") }))])),
        turn(2, json!([call("http_request", json!({ "method": "POST", "url": web.url("/send") }))])),
        turn(3, json!([{ "text": "It is 42." }])),
    ]);
    let daemon = stage.daemon(rules, &["http.*"])?.config(json!({ "tools": { "http": loopback() } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.subscribe(&["task.*", "tool.*"]).await;
    let ended = worked(&mut admin, "reader", "What is the answer?").await?;
    assert_eq!(ended.payload["result"], "It is 42.");
    let session = session(&mut admin, &ended.payload["taskId"]).await?;
    let told = json!(history(&mut admin, &session).await?).to_string();
    assert!(told.contains("The answer is 42.") && told.contains("http.request is not among the tools"), "{told}");
    assert_eq!(web.asked(), ["GET /"]);
    Ok(())
}

#[tokio::test]
async fn a_request_ends_with_the_session_that_made_it() -> anyhow::Result<()> {
    let web = Web::start([("/silent", Page::silent())]).await?;
    let stage = Stage::new()?.agent("reader", "tools: [http.fetch]")?;
    let rules = json!([{ "say": [call("http_fetch", json!({ "url": web.url("/silent") }))] }]);
    let daemon = stage.daemon(rules, &["http.*"])?.config(json!({ "tools": { "http": loopback() } })).start().await?;
    let mut admin = daemon.admin().await;
    admin.call("agent.spawn", json!({ "agent": "reader", "prompt": "Read it." })).await?;
    web.once_asked().await;
    admin.call("agent.stop", json!({ "agentId": "reader" })).await?;
    web.once_idle().await;
    Ok(())
}

#[tokio::test]
async fn a_bound_that_is_none_stops_the_start() -> anyhow::Result<()> {
    for (http, said) in [
        (json!({ "redirectsMax": 21 }), "redirectsMax"),
        (json!({ "allowNetworks": ["10.0.0.1/8"] }), "allowNetworks"),
        (json!({ "allowhosts": [] }), "allowhosts"),
        (json!({ "onlyHosts": ["https://a.example"] }), "onlyHosts"),
    ] {
        let ended = Daemon::builder().config(json!({ "tools": { "http": http } })).refused().await?;
        assert!(ended.output.contains(said), "{}", ended.output);
    }
    Ok(())
}
