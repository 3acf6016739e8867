use http::Method;
use orchestrator_testkit::{Daemon, Reply};
use serde_json::json;

use crate::post;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test]
async fn a_list_goes_on_where_its_link_leads_and_ends_without_one() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let http = daemon.admin_http();
    for title in ["a", "b", "c"] {
        http.call("task.create", json!({"title": title, "tags": ["a b"]})).await?;
    }
    let (mut path, mut titles, mut pages) = ("/api/v1/tasks?limit=2&tag=a%20b".to_owned(), Vec::new(), 0);
    loop {
        let page = http.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let items = page.json()["items"].as_array().cloned().unwrap_or_default();
        titles.extend(items.iter().map(|task| task["title"].as_str().unwrap_or_default().to_owned()));
        pages += 1;
        assert!(pages < 5, "the list does not end");
        let cursor = page.json().get("nextCursor").cloned();
        assert_eq!(page.header("link").is_some(), cursor.is_some(), "{:?}", page.headers);
        let Some(link) = page.header("link") else { break };
        let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
        path = next.unwrap_or_else(|| panic!("{link}")).to_owned();
        assert!(path.contains("limit=2&tag=a%20b&cursor="), "{path}");
    }
    assert_eq!(titles, ["a", "b", "c"]);
    let foreign = http.get("/api/v1/tasks?cursor=abcd").await;
    assert_eq!((foreign.status, &foreign.json()["error"]["field"]), (422, &json!("cursor")));
    Ok(())
}

fn quota(reply: &Reply) -> Option<(String, String)> {
    Some((reply.header("ratelimit-policy")?.to_owned(), reply.header("ratelimit")?.to_owned()))
}

#[tokio::test]
async fn what_is_left_of_a_limit_is_told() -> anyhow::Result<()> {
    let limits = json!({"rateLimit": {"callsPerCredential": 3, "max": 2, "windowMs": 60_000}});
    let daemon = Daemon::builder().config(limits).start().await?;
    let policy = "\"credential\";q=3;w=60".to_owned();
    let http = daemon.admin_http();
    for left in [2, 1, 0] {
        let counted = http.get("/api/v1/tasks").await;
        assert_eq!(
            (counted.status, quota(&counted)),
            (200, Some((policy.clone(), format!("\"credential\";r={left};t=60"))))
        );
    }
    let refused = http.get("/api/v1/tasks").await;
    let wait: u64 = refused.header("retry-after").unwrap_or_default().parse()?;
    assert!(refused.status == 429 && (1..=60).contains(&wait), "{refused:?}");
    assert!(quota(&refused).is_some_and(|(_, left)| left.starts_with("\"credential\";r=0;t=")), "{refused:?}");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "task.list"});
    assert!(quota(&http.post("/rpc", &body).await).is_some(), "the same over JSON-RPC");
    let free = post(&http, "/api/v1/health/ping", &[], "{}").await;
    assert_eq!((free.status, quota(&free)), (200, None), "a ping is free and counts nothing");

    let strangers: Vec<_> = [daemon.http().get("/api/v1/tasks").await, daemon.http().get("/nowhere").await].into();
    assert_eq!(strangers.iter().map(|reply| reply.status).collect::<Vec<_>>(), [401, 404]);
    for (reply, left) in strangers.iter().zip([1, 0]) {
        let expected = ("\"address\";q=2;w=60".to_owned(), format!("\"address\";r={left};t=60"));
        assert_eq!(quota(reply), Some(expected));
    }
    let refused = daemon.http().get("/openapi.json").await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));

    let unlimited = Daemon::builder().without_rate_limits().start().await?;
    let reply = unlimited.admin_http().get("/api/v1/tasks").await;
    assert_eq!((reply.status, quota(&reply)), (200, None));
    assert_eq!(quota(&unlimited.http().get("/api/v1/tasks").await), None);
    Ok(())
}

#[tokio::test]
async fn every_answer_names_its_trace_and_goes_on_with_the_callers() -> anyhow::Result<()> {
    let daemon = Daemon::builder().start().await?;
    let http = daemon.admin_http();
    let given = format!("00-{TRACE}-b7ad6b7169203331-01");
    let paths = ["/api/v1/tasks", "/status", "/livez", "/nowhere", "/openapi.json"];
    for path in paths {
        let with = http.send(Method::GET, path, &[("traceparent", &given)], "").await;
        let own = with.header("traceparent").unwrap_or_default().to_owned();
        assert!(own.starts_with(&format!("00-{TRACE}-")) && own.ends_with("-01") && own != given, "{path}: {own}");
        let wrong = http.send(Method::GET, path, &[("traceparent", "00-nonsense")], "").await;
        let fresh = wrong.header("traceparent").unwrap_or_default();
        assert!(fresh.len() == 55 && !fresh.contains(TRACE), "{path}: {fresh}");
    }
    let made = post(&http, "/api/v1/tasks", &[("traceparent", &given)], r#"{"title":"traced"}"#).await;
    let (id, trace) = (made.json()["id"].clone(), made.header("traceparent").unwrap_or_default()[3..35].to_owned());
    assert_eq!(trace, TRACE);
    let history = http.call("task.history", json!({"taskId": id})).await?;
    assert_eq!(history["items"][0]["correlation"], TRACE, "{history}");
    Ok(())
}

#[tokio::test]
async fn browsers_of_listed_origins_may_read_the_headers() -> anyhow::Result<()> {
    let cors = json!({"cors": {"enabled": true, "origins": ["https://ui.example"]}});
    let daemon = Daemon::builder().config(cors).start().await?;
    let http = daemon.admin_http();
    let origin = ("origin", "https://ui.example");
    let preflight =
        [origin, ("access-control-request-method", "PATCH"), ("access-control-request-headers", "idempotency-key")];
    let asked = http.send(Method::OPTIONS, "/api/v1/tasks", &preflight, "").await;
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (200, Some("https://ui.example")));
    let read = http.send(Method::GET, "/api/v1/tasks", &[origin], "").await;
    let exposed = read.header("access-control-expose-headers").unwrap_or_default().to_owned();
    for name in ["ratelimit", "ratelimit-policy", "retry-after", "link", "traceparent"] {
        assert!(exposed.contains(name), "{name} is not in {exposed}");
    }
    let plain = http.send(Method::OPTIONS, "/api/v1/tasks", &[], "").await;
    assert_eq!((plain.status, plain.header("allow").is_some()), (204, true), "no preflight, so the route answers");
    Ok(())
}
