//! A vendor fails in the middle of a session: between the first tool that was called and the one that has an effect.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::says::{ALL, SIGNATURE, STREAMED, Says, Vendor};
use super::{Ended, Stage, worked};
use crate::aimock::Aimock;
use crate::upstream::{Answer, Then, Upstream};

/// What a model says that was not to be heard of again.
const HALF: &str = "The answer is 41, of that there is no doubt.";

fn read() -> Says {
    Says::Call { id: "call_read", tool: "fs_read", arguments: json!({ "path": "notes.txt" }) }
}

fn effect() -> Says {
    let argv = json!(["sh", "-c", "echo done >> effects.txt"]);
    Says::Call { id: "call_effect", tool: "command_run", arguments: json!({ "argv": argv }) }
}

fn answer() -> Says {
    Says::Text("{\"lines\": 2}")
}

/// A session in which `faults` come between the first call and the second, and what the vendor was asked.
async fn through(vendor: Vendor, faults: Vec<Answer>) -> anyhow::Result<(Stage, Ended, Vec<Value>)> {
    let mut answers = vec![vendor.says(&read())];
    answers.extend(faults);
    answers.extend([vendor.says(&effect()), vendor.says(&answer())]);
    with(vendor, answers).await
}

async fn with(vendor: Vendor, answers: Vec<Answer>) -> anyhow::Result<(Stage, Ended, Vec<Value>)> {
    let (stage, upstream) = (Stage::new()?, Upstream::start(answers).await?);
    let limits = json!({ "models": { "limits": { "idleTimeoutMs": 700, "timeoutMs": 5_000 } } });
    let daemon = stage.with(vendor, &upstream.url, limits).await?;
    let ended = worked(&daemon).await?;
    let asked = upstream.seen().into_iter().map(|seen| seen.body).collect();
    Ok((stage, ended, asked))
}

/// The whole task was done, each thing once, and with this many requests.
#[track_caller]
fn check_done(case: &str, stage: &Stage, ended: &Ended, asked: &[Value], requests: usize) {
    assert_eq!(ended.task.name, "task.completed", "{case}: {:?}", ended.task);
    assert_eq!(ended.task.payload["result"], json!({ "lines": 2 }), "{case}");
    assert_eq!((stage.effects(), asked.len()), (1, requests), "{case}: {}", ended.journal);
    let calls = ended.kinds.iter().filter(|kind| *kind == "calling").count();
    assert_eq!(calls, 2, "{case}: {:?}", ended.kinds);
    assert_eq!(ended.heard, "{\"lines\": 2}", "{case}");
    // Half of an answer is neither told to the model again nor kept.
    let half = &HALF[..HALF.len() / 2];
    assert!(!json!(asked).to_string().contains(half) && !ended.journal.contains(half), "{case}: {}", ended.journal);
}

#[tokio::test]
async fn a_session_with_tools_goes_from_its_task_to_its_result_with_each_protocol() -> anyhow::Result<()> {
    for vendor in ALL {
        let (stage, ended, asked) = through(vendor, Vec::new()).await?;
        check_done(&format!("{vendor:?}"), &stage, &ended, &asked, 3);
        assert_eq!(ended.discarded, Vec::<String>::new());
        // The result of each call is told, with the call that it belongs to.
        let (second, third) = (asked[1].to_string(), asked[2].to_string());
        assert!(second.contains("call_read") && second.contains("2\\ttwo"), "{vendor:?}: {second}");
        assert!(third.contains("call_effect") && third.contains("exit code 0"), "{vendor:?}: {third}");
        let signatures = if vendor == Vendor::Anthropic { 2 } else { 0 };
        assert_eq!(third.matches(SIGNATURE).count(), signatures, "{vendor:?}: {third}");
        assert_eq!(asked[0]["stream"] == true, vendor.streams(), "{vendor:?}");
    }
    Ok(())
}

#[tokio::test]
async fn while_a_vendor_is_busy_the_same_is_asked_again_and_nothing_is_done_twice() -> anyhow::Result<()> {
    for vendor in ALL {
        for status in [500, 503, 529] {
            let fault = vendor.fails(status, &[("retry-after-ms", "1")]);
            let (stage, ended, asked) = through(vendor, vec![fault.clone(), fault]).await?;
            let case = format!("{vendor:?} {status}");
            check_done(&case, &stage, &ended, &asked, 5);
            assert_eq!((&asked[1], &asked[1]), (&asked[2], &asked[3]), "{case}: the same request");
            assert_eq!(ended.discarded, Vec::<String>::new(), "{case}: nothing was said yet");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_limit_in_the_middle_is_waited_for_as_long_as_the_vendor_says() -> anyhow::Result<()> {
    for vendor in STREAMED {
        let begun = Instant::now();
        let (stage, ended, asked) = through(vendor, vec![vendor.fails(429, &[("retry-after", "1")])]).await?;
        check_done(&format!("{vendor:?}"), &stage, &ended, &asked, 4);
        assert!(begun.elapsed() >= Duration::from_secs(1), "{vendor:?}");
    }
    Ok(())
}

/// Words or half of a call, and then each way in which there is no more.
async fn breaks_off(vendor: Vendor) -> anyhow::Result<()> {
    for says in [Says::Text(HALF), effect()] {
        let garbage = vendor.says_half(&says, Then::Ends);
        let garbage = Answer { body: garbage.body + "data: {\"type\": oops\n\n", ..garbage };
        for (what, fault) in [
            ("breaks", vendor.says_half(&says, Then::Breaks)),
            ("ends", vendor.says_half(&says, Then::Ends)),
            ("is silent", vendor.says_half(&says, Then::Silence)),
            ("is garbage", garbage),
        ] {
            let (stage, ended, asked) = through(vendor, vec![fault]).await?;
            let case = format!("{vendor:?} {what} in {says:?}");
            check_done(&case, &stage, &ended, &asked, 4);
            assert_eq!(asked[1], asked[2], "{case}: the same request");
            assert_eq!(ended.discarded.len(), 1, "{case}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_in_chat_completions_that_breaks_off_is_thrown_away_and_asked_for_again() -> anyhow::Result<()> {
    breaks_off(Vendor::Chat).await
}

#[tokio::test]
async fn an_answer_in_responses_that_breaks_off_is_thrown_away_and_asked_for_again() -> anyhow::Result<()> {
    breaks_off(Vendor::Responses).await
}

#[tokio::test]
async fn an_answer_of_anthropic_that_breaks_off_is_thrown_away_and_asked_for_again() -> anyhow::Result<()> {
    breaks_off(Vendor::Anthropic).await
}

#[tokio::test]
async fn half_of_an_answer_that_was_to_come_whole_is_asked_for_again() -> anyhow::Result<()> {
    for vendor in [Vendor::ChatWhole, Vendor::ResponsesWhole] {
        for then in [Then::Ends, Then::Breaks] {
            let fault = vendor.says(&effect());
            let half = fault.body[..fault.body.len() / 2].to_owned();
            let (stage, ended, asked) = through(vendor, vec![Answer { body: half, then, ..fault }]).await?;
            check_done(&format!("{vendor:?} {then:?}"), &stage, &ended, &asked, 4);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_request_that_is_refused_ends_the_session_and_says_why() -> anyhow::Result<()> {
    for vendor in ALL {
        let (stage, ended, asked) = through(vendor, vec![vendor.fails(400, &[])]).await?;
        let case = format!("{vendor:?}: {:?}", ended.task);
        assert_eq!((ended.task.name.as_str(), asked.len(), stage.effects()), ("task.failed", 2, 0), "{case}");
        assert!(ended.task.payload.to_string().contains("not now"), "{case}");
    }
    Ok(())
}

#[tokio::test]
async fn answers_that_always_break_off_are_given_up() -> anyhow::Result<()> {
    for vendor in STREAMED {
        let half = vendor.says_half(&effect(), Then::Breaks);
        let (stage, ended, asked) = with(vendor, vec![vendor.says(&read()), half]).await?;
        let case = format!("{vendor:?}: {:?}", ended.task);
        // The first, and twice again: `llm.brokenAnswers`.
        assert_eq!((ended.task.name.as_str(), asked.len(), stage.effects()), ("task.failed", 4, 0), "{case}");
        assert_eq!(ended.discarded.len(), 3, "{case}");
    }
    Ok(())
}

#[tokio::test]
async fn a_vendor_that_is_gone_for_a_while_is_waited_for_by_the_same_session() -> anyhow::Result<()> {
    for vendor in STREAMED {
        let gone = vendor.fails(503, &[("retry-after-ms", "1")]);
        let (stage, ended, asked) = through(vendor, vec![gone; 3]).await?;
        check_done(&format!("{vendor:?}"), &stage, &ended, &asked, 6);
    }
    Ok(())
}

/// Also to one that speaks otherwise: what is signed by the first is nothing to the second.
#[tokio::test]
async fn another_vendor_goes_on_where_the_first_one_failed() -> anyhow::Result<()> {
    for (first, second) in [
        (Vendor::Anthropic, Vendor::Chat),
        (Vendor::Anthropic, Vendor::Responses),
        (Vendor::Chat, Vendor::Anthropic),
        (Vendor::Responses, Vendor::Chat),
        (Vendor::Anthropic, Vendor::Anthropic),
    ] {
        let stage = Stage::new()?;
        let gone = first.fails(503, &[("retry-after-ms", "1")]);
        let failing = Upstream::start(vec![first.says(&read()), gone]).await?;
        let spare = Upstream::start(vec![second.says(&effect()), second.says(&answer())]).await?;
        let providers = json!({ "a": first.provider(&failing.url), "b": second.provider(&spare.url) });
        let ended = worked(&stage.daemon(providers, json!({})).start().await?).await?;
        let case = format!("{first:?} {second:?}");
        let asked: Vec<Value> = spare.seen().into_iter().map(|seen| seen.body).collect();
        check_done(&case, &stage, &ended, &asked, 2);
        // The first answer, and three attempts at each of the others at most.
        assert!((4..=7).contains(&failing.seen().len()), "{case}: {}", failing.seen().len());
        let told = asked[0].to_string();
        assert!(told.contains("2\\ttwo") && !told.contains("I had better look."), "{case}: {told}");
        assert!(!told.contains(SIGNATURE), "{case}: {told}");
    }
    Ok(())
}

/// aimock refuses, as Anthropic does, a turn with a call that does not begin with a thought.
#[tokio::test]
async fn a_model_that_thinks_goes_on_after_one_that_does_not() -> anyhow::Result<()> {
    let stage = Stage::new()?;
    let gone = Vendor::Chat.fails(503, &[("retry-after-ms", "1")]);
    let failing = Upstream::start(vec![Vendor::Chat.says(&read()), gone]).await?;
    let spare = Aimock::start(&super::whole::fixtures(json!({}))).await?;
    let providers = json!({ "a": Vendor::Chat.provider(&failing.url), "b": Vendor::Anthropic.provider(&spare.url) });
    let ended = worked(&stage.daemon(providers, json!({})).start().await?).await?;
    assert_eq!(ended.task.payload["result"], json!({ "lines": 2 }), "{:?}", ended.task);
    assert_eq!(stage.effects(), 1);
    Ok(())
}
