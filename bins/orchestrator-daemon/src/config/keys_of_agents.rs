use super::keys::Effect::{Live, Restart};
use super::keys::{Key, key};

/// Agents that are language models, and what agents may do.
pub(super) const AGENTS: &[Key] = &[
    key("llm.turnsMax", "1 to 10000", Live, "Answers of a model in one session."),
    key("llm.tokensMax", "1 or more, or `null`", Live, "Tokens of all its requests and answers together."),
    key("llm.timeMs", "ms, or `null` for ever", Live, "How long it may work at a stretch."),
    key(
        "llm.contextTokens",
        "1000 or more",
        Live,
        "How long its conversation may be, as estimated; what is older is left out of requests.",
    ),
    key("llm.callsAtOnce", "1 to 64", Live, "Calls of tools that run side by side."),
    key("llm.callsPerAnswer", "1 to 1000", Live, "Calls that one answer may ask for."),
    key("llm.brokenAnswers", "number", Live, "How often an answer that broke off is asked for again, in a row."),
    key("llm.continuations", "number", Live, "How often an answer that was cut off is gone on with, in a row."),
    key(
        "llm.circles.sameCalls",
        "number, 0 never",
        Live,
        "Calls alike with the same result, after which it goes round in circles.",
    ),
    key("llm.circles.idleTurns", "number, 0 never", Live, "The same for answers in a row without a new call."),
    key("llm.circles.idleTokens", "number, 0 never", Live, "The same for tokens without a new call."),
    key("llm.circles.nudges", "number", Live, "How often it is told so before `then`."),
    key("llm.circles.then", "stop or ask", Live, "Whether it has failed then, or waits for a person."),
    key(
        "tools.allow",
        "list of names, `fs.*` or `*`",
        Live,
        "The tools that may be called at all; an agent's file narrows it. Empty: none. Like all of `tools`, in the file only.",
    ),
    key("tools.limits.timeoutMsMax", "ms, 1 to 86400000", Restart, "How long any call of a tool may take."),
    key("tools.limits.outputBytesMax", "bytes, 1 to 16777216", Restart, "What any call may come back with."),
    key("tools.limits.argumentsBytesMax", "bytes, 1 to 16777216", Restart, "What the arguments of a call may have."),
    key(
        "tools.command.environment.inherit",
        "list of names",
        Restart,
        "Variables that programs of `command.run` get from the daemon.",
    ),
    key("tools.command.environment.set.NAME", "text", Restart, "A variable they get. Models can read it: no secrets."),
    key(
        "tools.command.timeoutMs",
        "ms, 1 to `timeoutMsMax`",
        Restart,
        "How long they run unless the call says otherwise.",
    ),
    key("tools.command.timeoutMsMax", "ms, 1 to 86400000", Restart, "What a call may say."),
    key("tools.command.outputBytes", "bytes, 1024 to 1048576", Restart, "What is told of each of their outputs."),
    key(
        "tools.workspaces.NAME",
        "absolute path",
        Restart,
        "A directory in which an administrator may try tools (`tool.call`).",
    ),
];
