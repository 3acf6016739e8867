//! Ids that know what they name, labels that combine, and a time that reads the same everywhere.

use orchestrator_vocab::{Actor, AgentId, Confidentiality, Integrity, Label, SessionId, SystemClock, TaskId};
use orchestrator_vocab::{Clock as _, OrgId};

fn main() -> anyhow::Result<()> {
    let task = TaskId::new();
    println!("{task} belongs to {}", OrgId::LOCAL);
    if let Err(refusal) = task.to_string().parse::<SessionId>() {
        println!("as a session id it is refused: {refusal}");
    }

    let agent: AgentId = "coder".parse()?;
    println!("{} did it at {}", Actor::Agent(agent), SystemClock.now());

    let page = Label { integrity: Integrity::Untrusted, confidentiality: Confidentiality::Public };
    println!("a web page quoted in a note of a user: {:?}", page.join(Label::USER));
    Ok(())
}
