//! What every operation promises, asked through all faces of the running binary: made from what it says about itself.

mod faces;

use std::collections::HashMap;

use anyhow::Context as _;
use orchestrator_rpc::contract::{Case, Kind, described};
use orchestrator_rpc::{Code, Scopes};
use orchestrator_testkit::{Daemon, Http, Organisation, shell};
use serde_json::{Value, json};

use faces::{Face, Refused};

/// One daemon, asked over `POST /rpc` and in the dialects of the WebSocket that can call any operation.
struct Subject {
    daemon: Daemon,
    operations: Vec<Value>,
    faces: HashMap<String, Vec<Face>>,
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
        Ok(Self { daemon, operations, faces: HashMap::new() })
    }

    fn cases(&self, wanted: impl Fn(&Kind) -> bool) -> Vec<Case> {
        let cases = self.operations.iter().flat_map(|operation| described(operation).expect("a description"));
        cases.filter(|case| wanted(&case.kind)).collect()
    }

    async fn faces(&mut self, scopes: Scopes) -> &mut Vec<Face> {
        let scopes = scopes.to_string();
        if !self.faces.contains_key(&scopes) {
            let token = self.daemon.token(&scopes).await;
            self.faces.insert(scopes.clone(), Face::all(&self.daemon, &token).await);
        }
        self.faces.get_mut(&scopes).expect("they were put there")
    }

    /// Every case of these kinds must be refused as it says.
    async fn check(&mut self, wanted: impl Fn(&Kind) -> bool) {
        let mut wrong = Vec::new();
        for case in self.cases(wanted) {
            for face in self.faces(case.scopes).await {
                let answer = face.call(&case.operation, &case.params).await;
                let given = answer.as_ref().err().map(|error| (error.code.as_str(), error.field.clone()));
                if given != Some((case.expected.name(), case.field.clone())) {
                    wrong.push(format!("{} over {}: {} answered {answer:?}", case.name(), face.name(), case.params));
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
    let mut faces = Face::all(&subject.daemon, subject.daemon.admin_token()).await;
    let open = subject.daemon.http();
    let missing = [Code::UnknownMethod, Code::Internal, Code::Forbidden, Code::Unauthorized].map(Code::name);
    for case in subject.cases(|kind| *kind == Kind::MissingScope) {
        for face in &mut faces {
            let code = face.call(&case.operation, &case.params).await.err().map(|error| error.code);
            let is_there = code.as_deref().is_none_or(|code| !missing.contains(&code));
            assert!(is_there, "{} over {} answered {code:?}", case.operation, face.name());
        }
        if case.operation == "emergency.stop" {
            // It was obeyed; what follows is not to meet it.
            subject.daemon.admin_http().call("emergency.release", json!({"reason": "over"})).await?;
        }
    }
    for operation in std::mem::take(&mut subject.operations) {
        if operation.get("rest").is_none() {
            continue; // on a WebSocket only
        }
        let (method, path) = (operation["rest"]["method"].as_str(), operation["rest"]["path"].as_str());
        let (method, path) = (method.context("a method")?.parse()?, path.context("a path")?);
        let reply = open.send(method, path, &[("content-type", "application/json")], "").await;
        let expected = if operation["open"] == true { 422 } else { 401 };
        assert_eq!(reply.status, expected, "{path} is not routed: {}", reply.body);
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
    let mut faces = Face::all(&subject.daemon, subject.daemon.admin_token()).await;
    let mut checked = 0;
    for case in subject.cases(|kind| matches!(kind, Kind::ForeignOrganisation(_))) {
        let Kind::ForeignOrganisation(parameter) = &case.kind else { continue };
        // Charters and skills are the operator's alone (`tests/charter`, `tests/skills`); what waits for a person comes of an agent's call (`tests/approvals`).
        if ["charterId", "skillId", "approvalId", "grantId"].contains(&parameter.as_str()) {
            continue;
        }
        let Some(foreign) = theirs.ids.get(parameter.as_str()) else {
            panic!("the test does not know how to make what {parameter} names: add it to `Theirs`");
        };
        let sample = case.params[parameter].as_str().context("an id is text")?;
        // A name of one letter is found all over the answers, and could not be told from them.
        let unknown = if sample.len() < 20 { "no-such-thing-at-all" } else { sample }.to_owned();
        let with_unknown = case.with_id(&unknown).context("a case with an id")?;
        let with_foreign = case.with_id(foreign).context("a case with an id")?;
        for face in &mut faces {
            let Err(first) = face.call(&case.operation, &with_unknown).await else {
                panic!("{} is answered", case.name())
            };
            let Err(second) = face.call(&case.operation, &with_foreign).await else {
                panic!("{} is answered", case.name())
            };
            let without = |refused: &Refused, id: &str| refused.whole.replace(id, "ID");
            assert_eq!(first.code, case.expected.name(), "{} over {}: {first:?}", case.name(), face.name());
            let (first, second) = (without(&first, &unknown), without(&second, foreign));
            assert_eq!(first, second, "{} over {}", case.name(), face.name());
        }
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
            let id = made.get("id").unwrap_or(&made["memoryId"]);
            id.as_str().unwrap_or_else(|| panic!("{method}: no id in {made}")).to_owned()
        };
        let plan = json!({"every": {"intervalMs": 3_600_000}});
        let schedule = json!({"name": "theirs", "plan": plan, "template": {"title": "theirs"}});
        let session = json!({"sessionType": "process", "agentId": "their-program", "task": {"description": "theirs"}});
        let memory = json!({"content": "theirs", "tier": "semantic", "type": "fact"});
        let ids = HashMap::from([
            ("sessionId", made("session.create", session).await),
            ("memoryId", made("memory.store", memory).await),
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
