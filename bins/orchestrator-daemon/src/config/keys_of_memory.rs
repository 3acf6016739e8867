use super::keys::Effect::Restart;
use super::keys::{Key, key};

/// What is remembered, and how it is found again.
pub(super) const MEMORY: &[Key] = &[
    key("memory.scratchpadBytesMax", "bytes, from 1", Restart, "Text in the scratchpad of one session."),
    key("memory.scratchpadKeptMs", "ms", Restart, "How long a scratchpad stays after its session has ended."),
    key("memory.scratchpadTokens", "tokens, 0 to 100000", Restart, "How much of the scratchpad is told to the agent."),
    key("memory.episodicBytesMax", "bytes, from 1", Restart, "Text of what happened, of one organisation."),
    key(
        "memory.episodicKeptMs",
        "ms, from 1",
        Restart,
        "How long what happened is remembered word by word; then it is summed up.",
    ),
    key("memory.semanticBytesMax", "bytes, from 1", Restart, "Text of what is known, of one organisation."),
    key(
        "memory.alertThreshold",
        "over 0 to 1",
        Restart,
        "From which share of one of these limits on `memory.filling` tells. Full means refused, and `memory.full` tells.",
    ),
    key(
        "memory.language",
        "arabic, danish, dutch, english, finnish, french, german, greek, hungarian, italian, norwegian, portuguese, romanian, russian, spanish, swedish, tamil or turkish",
        Restart,
        "The language of the texts, by which words are reduced to their stems. It counts for what is remembered from then on.",
    ),
    key(
        "memory.recall.meaning",
        "0 to 1",
        Restart,
        "The share of meaning (vectors) in what is relevant; the rest is words. Without an embedder words are all.",
    ),
    key("memory.recall.recency", "0 to 1", Restart, "How much of a score is lost at most by being old."),
    key("memory.recall.halfLifeDays", "days, over 0", Restart, "After how many days half of that is lost."),
    key("memory.recall.importance", "0 to 1", Restart, "How much of a score is lost at most by being unimportant."),
    key("memory.recall.neighbours", "0 to 1", Restart, "What of its score a turn lends to those beside it."),
    key("memory.recallTokens", "tokens, 0 to 100000", Restart, "Memories that a session begins with; 0 for none."),
    key("memory.recallThreshold", "0 to 1", Restart, "What scores less than this is not recalled for a session."),
    key(
        "memory.recallUntrusted",
        "true or false",
        Restart,
        "Whether a session may begin with what nobody vouches for: what agents said after they read something, for example. It is believed no more than that from then on.",
    ),
    key(
        "memory.learningEnabled",
        "true or false",
        Restart,
        "Whether sessions are remembered, summed up and learned from when they are over.",
    ),
    key(
        "memory.compactionEnabled",
        "true or false",
        Restart,
        "Whether a long conversation is summed up before it is too long for its model.",
    ),
    key("memory.compactionThreshold", "over 0 to 1", Restart, "At which share of the context that is."),
    key(
        "memory.summaryModel",
        "`provider/model`, or `null`",
        Restart,
        "Who sums up: stretches of conversations that get too long, sessions that are over, and what happened long ago. Without, and where this model fails, that is done by rules, in the words of what is summed up.",
    ),
    key(
        "memory.learningModel",
        "`provider/model`, or `null`",
        Restart,
        "Who proposes what is to be learned from a session that is over. Without, and where this model fails, that is done by rules (English).",
    ),
    key(
        "memory.modelTimeoutMs",
        "ms, from 1",
        Restart,
        "How long these models may take for one summary, or for what is learned from one session.",
    ),
    key(
        "memory.embedder.model",
        "`provider/model`, or `null`",
        Restart,
        "Who makes vectors of memories, so that they are found by their meaning too; a model that embeds.",
    ),
    key("memory.embedder.dimensions", "1 to 16384, or `null`", Restart, "How long its vectors are."),
    key(
        "memory.embedder.local.model",
        "path",
        Restart,
        "Instead of that, a model on this machine: the `model.safetensors` of all-MiniLM-L6-v2 or L12-v2 (cargo feature `local-embeddings`).",
    ),
    key("memory.embedder.local.tokenizer", "path", Restart, "The `tokenizer.json` that was published with it."),
];
