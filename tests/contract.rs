//! What every operation promises, asked through both faces of the running binary: made from what it says about itself.

use std::collections::HashMap;

use anyhow::Context as _;
use orchestrator_rpc::contract::{Case, Kind, described};
use orchestrator_rpc::{Code, Error, Scopes};
use orchestrator_testkit::{Daemon, Http, Organisation, Socket, shell};
use serde_json::{Value, json};

/// One daemon, asked over the WebSocket and over `POST /rpc`.
struct Subject {
    daemon: Daemon,
    operations: Vec<Value>,
    tokens: HashMap<String, String>,
    sockets: HashMap<String, Socket>,
}

impl Subject {
    async fn start() -> anyhow::Result<Self> {
        // Somebody to work, or `session.create` would wait for one.
        let agents = json!({"agents": {"any": shell("echo done", &[], 4)}});
        let daemon = Daemon::builder().without_rate_limits().config(agents).start().await?;
        let mut admin = daemon.admin().await;
        let listed = admin.call("rpc.discover", json!({})).await?;
        let listed = listed["operations"].as_array().context("a list of operations")?;
        assert!(listed.len() > 30, "{listed:?}");
        let mut operations = Vec::new();
        for operation in listed {
            operations.push(admin.call("rpc.describe", json!({"method": operation["name"]})).await?);
        }
        Ok(Self { daemon, operations, tokens: HashMap::new(), sockets: HashMap::new() })
    }

    fn cases(&self, wanted: impl Fn(&Kind) -> bool) -> Vec<Case> {
        let cases = self.operations.iter().flat_map(|operation| described(operation).expect("a description"));
        cases.filter(|case| wanted(&case.kind)).collect()
    }

    async fn token(&mut self, scopes: Scopes) -> String {
        let scopes = scopes.to_string();
        if !self.tokens.contains_key(&scopes) {
            let token = self.daemon.token(&scopes).await;
            self.tokens.insert(scopes.clone(), token);
        }
        self.tokens[&scopes].clone()
    }

    /// The answers of the WebSocket and of HTTP.
    async fn ask(&mut self, case: &Case) -> [Result<Value, Error>; 2] {
        let token = self.token(case.scopes).await;
        let key = case.scopes.to_string();
        if !self.sockets.contains_key(&key) {
            self.sockets.insert(key.clone(), self.daemon.socket(&token).await);
        }
        let socket = self.sockets.get_mut(&key).expect("it was put there");
        let over_socket = socket.call(&case.operation, case.params.clone()).await;
        let http = self.daemon.http().with_token(&token);
        [over_socket, http.call(&case.operation, case.params.clone()).await]
    }

    /// Every case of these kinds must be refused as it says.
    async fn check(&mut self, wanted: impl Fn(&Kind) -> bool) {
        let mut wrong = Vec::new();
        for case in self.cases(wanted) {
            for (face, answer) in ["WebSocket", "HTTP"].into_iter().zip(self.ask(&case).await) {
                let given = answer.as_ref().err().map(|error| (error.code, error.field.clone()));
                if given != Some((case.expected, case.field.clone())) {
                    wrong.push(format!("{} over {face}: {} answered {answer:?}", case.name(), case.params));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

#[tokio::test]
async fn unknown_parameters_are_refused_by_name() -> anyhow::Result<()> {
    Subject::start().await?.check(|kind| *kind == Kind::UnknownParameter).await;
    Ok(())
}

#[tokio::test]
async fn values_of_a_wrong_type_are_refused_by_name() -> anyhow::Result<()> {
    Subject::start().await?.check(|kind| matches!(kind, Kind::WrongType(_))).await;
    Ok(())
}

#[tokio::test]
async fn all_scopes_but_the_one_that_is_needed_are_not_enough() -> anyhow::Result<()> {
    Subject::start().await?.check(|kind| *kind == Kind::MissingScope).await;
    Ok(())
}

#[tokio::test]
async fn every_operation_that_is_listed_is_there() -> anyhow::Result<()> {
    let mut subject = Subject::start().await?;
    let mut admin = subject.daemon.admin().await;
    let (http, open) = (subject.daemon.admin_http(), subject.daemon.http());
    for case in subject.cases(|kind| *kind == Kind::MissingScope) {
        let over_socket = admin.call(&case.operation, case.params.clone()).await;
        let over_http = http.call(&case.operation, case.params.clone()).await;
        for answer in [over_socket, over_http] {
            let code = answer.err().map(|error| error.code);
            let missing = [Code::UnknownMethod, Code::Internal, Code::Forbidden, Code::Unauthorized];
            assert!(code.is_none_or(|code| !missing.contains(&code)), "{} answered {code:?}", case.operation);
        }
    }
    for operation in std::mem::take(&mut subject.operations) {
        let (method, path) = (operation["rest"]["method"].as_str(), operation["rest"]["path"].as_str());
        let (method, path) = (method.context("a method")?.parse()?, path.context("a path")?);
        let reply = open.send(method, path, &[("content-type", "application/json")], "").await;
        assert_eq!(reply.status, 401, "{path} is not routed: {}", reply.body);
    }
    Ok(())
}

#[tokio::test]
async fn what_another_organisation_has_answers_byte_for_byte_like_what_does_not_exist() -> anyhow::Result<()> {
    let mut subject = Subject::start().await?;
    let other = subject.daemon.organisation("other").await;
    // Which organisation an agent program works for is configured, and this one had no id before it was made.
    let mut program = shell("echo done", &[], 1);
    program["org"] = json!(other.id);
    let again = subject.daemon.kill().await.config(json!({"agents": {"their-program": program}}));
    subject.daemon = again.start().await?;
    let theirs = Theirs::make(&other, &subject.daemon).await;
    let (http, mut socket) = (subject.daemon.admin_http(), subject.daemon.admin().await);
    let mut checked = 0;
    for case in subject.cases(|kind| matches!(kind, Kind::ForeignOrganisation(_))) {
        let Kind::ForeignOrganisation(parameter) = &case.kind else { continue };
        let Some(foreign) = theirs.ids.get(parameter.as_str()) else {
            panic!("the test does not know how to make what {parameter} names: add it to `Theirs`");
        };
        let sample = case.params[parameter].as_str().context("an id is text")?;
        // A name of one letter is found all over the answers, and could not be told from them.
        let unknown = if sample.len() < 20 { "no-such-thing-at-all" } else { sample }.to_owned();
        let with_unknown = case.with_id(&unknown).context("a case with an id")?;
        let with_foreign = case.with_id(foreign).context("a case with an id")?;
        let id_of = |text: &str, id: &str| text.replace(id, "ID");
        let body = |params: &Value| json!({"jsonrpc": "2.0", "id": 1, "method": case.operation, "params": params});
        let (first, second) =
            (http.post("/rpc", &body(&with_unknown)).await, http.post("/rpc", &body(&with_foreign)).await);
        assert_eq!(first.json()["error"]["code"], case.expected.json_rpc(), "{}: {}", case.name(), first.body);
        assert_eq!(id_of(&first.body, &unknown), id_of(&second.body, foreign), "{} over HTTP", case.name());
        let over_socket = async |socket: &mut Socket, params: Value, id: &str| {
            let error = socket.call(&case.operation, params).await.expect_err("it is refused");
            id_of(&serde_json::to_string(&error).expect("errors are JSON"), id)
        };
        let first = over_socket(&mut socket, with_unknown, &unknown).await;
        assert_eq!(first, over_socket(&mut socket, with_foreign, foreign).await, "{} over the WebSocket", case.name());
        checked += 1;
    }
    assert!(checked > 15, "only {checked} operations are about one thing");
    theirs.still_works(&other.http(&subject.daemon)).await;
    Ok(())
}

/// One of each kind of thing, in another organisation.
struct Theirs {
    ids: HashMap<&'static str, String>,
}

impl Theirs {
    async fn make(org: &Organisation, daemon: &Daemon) -> Self {
        let http = org.http(daemon);
        let made = async |method: &str, params: Value| {
            let made = http.call(method, params).await.unwrap_or_else(|error| panic!("{method}: {error:?}"));
            made["id"].as_str().unwrap_or_else(|| panic!("{method}: no id in {made}")).to_owned()
        };
        let plan = json!({"every": {"intervalMs": 3_600_000}});
        let schedule = json!({"name": "theirs", "plan": plan, "template": {"title": "theirs"}});
        let session = json!({"sessionType": "process", "agentId": "their-program", "task": {"description": "theirs"}});
        let ids = HashMap::from([
            ("sessionId", made("session.create", session).await),
            ("taskId", made("task.create", json!({"title": "theirs"})).await),
            ("scheduleId", made("schedule.create", schedule).await),
            ("agentId", made("agent.register", json!({"agentId": "their-worker-of-many"})).await),
        ]);
        Self { ids }
    }

    /// They are there for those whose they are: or the comparison would compare nothing with nothing.
    async fn still_works(&self, http: &Http) {
        for (parameter, id) in &self.ids {
            let noun = parameter.trim_end_matches("Id");
            let show = if noun == "session" { "session.status".to_owned() } else { format!("{noun}.get") };
            let found = http.call(&show, json!({ *parameter: id })).await;
            assert!(found.is_ok(), "{noun} {id}: {found:?}");
        }
    }
}
