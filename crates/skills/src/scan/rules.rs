//! Rules that are patterns. Each is linear in the length of the text.

use std::sync::LazyLock;

use regex::bytes::{Match, Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::finding::{Finding, Place, Rule, Severity};

/// A pattern, and what it means that it is found.
type Pattern = (Rule, Severity, &'static str, &'static str);

const RUN: &str = "fetches something and runs it at once";
const DECODES: &str = "decodes something and runs it";
const KEYS: &str = "reads keys or credentials of the user";
const ALL_VARIABLES: &str = "takes all variables of the environment";
const AGAINST: &str = "wants earlier directions to be ignored";
const SECRETLY: &str = "wants people not to know";
const AROUND: &str = "wants to get around approvals or confinement";
const OTHER_ROLE: &str = "wants a model to be somebody else, or to tell its directions";
const STAYS: &str = "makes something run later, without being asked";

const PATTERNS: &[Pattern] = &[
    // Fetched and run.
    (
        Rule::DownloadAndRun,
        Severity::High,
        RUN,
        r"(?i)\b(?:curl|wget|aria2c)\b[^\n]{0,400}\|[^\n|]{0,80}?\b(?:ba|z|da|k|a)?sh\b",
    ),
    (
        Rule::DownloadAndRun,
        Severity::High,
        RUN,
        r"(?i)\b(?:curl|wget|aria2c)\b[^\n]{0,400}\|\s*(?:sudo\s+)?(?:python[0-9.]*|node|perl|ruby|php|deno|bun|pwsh|osascript)\b",
    ),
    (
        Rule::DownloadAndRun,
        Severity::High,
        RUN,
        r#"(?i)\b(?:(?:ba|z|da|k)?sh|eval|source|exec)\b[^\n]{0,20}["']?(?:[<$]\(|`)\s*(?:curl|wget)\b"#,
    ),
    (
        Rule::DownloadAndRun,
        Severity::High,
        RUN,
        r"(?i)\b(?:iex|invoke-expression)\b[^\n]{0,200}\b(?:irm|iwr|invoke-webrequest|invoke-restmethod|downloadstring)\b",
    ),
    (
        Rule::DownloadAndRun,
        Severity::High,
        RUN,
        r"(?i)\b(?:irm|iwr|invoke-webrequest|invoke-restmethod|downloadstring)\b[^\n]{0,300}\|\s*(?:iex|invoke-expression)\b",
    ),
    (
        Rule::DownloadAndRun,
        Severity::High,
        RUN,
        r"(?i)\b(?:exec|eval|compile)\s*\([^\n]{0,200}\b(?:urlopen|requests\.get|httpx\.get|urllib)",
    ),
    (Rule::DownloadAndRun, Severity::High, RUN, r"(?i)\b(?:eval|new\s+function)\s*\([^\n]{0,200}\bfetch\s*\("),
    (
        Rule::DownloadAndRun,
        Severity::Medium,
        "installs a package from an address",
        r"(?i)\b(?:pip3?|uv|npm|pnpm|yarn|cargo|gem|go)\b[^\n]{0,20}\b(?:install|add|i)\s[^\n]{0,120}(?:git\+|https?://|git://)",
    ),
    // Decoded and run.
    (
        Rule::EncodedPayload,
        Severity::High,
        DECODES,
        r"(?i)\bbase(?:64|32)\s+(?:-d|-D|--decode)\b[^\n]{0,200}\|[^\n|]{0,60}?\b(?:(?:ba|z|da|k|a)?sh|python[0-9.]*|node|perl|ruby)\b",
    ),
    (
        Rule::EncodedPayload,
        Severity::High,
        DECODES,
        r"(?i)\b(?:exec|eval|compile|system|popen|spawn|run)\s*\([^\n]{0,160}\b(?:b64decode|b32decode|atob|fromhex|unhexlify|decompress|marshal\.loads|codecs\.decode)\b",
    ),
    (
        Rule::EncodedPayload,
        Severity::High,
        DECODES,
        r#"(?i)\beval\s*\([^\n]{0,200}buffer\.from\([^\n]{0,200}["'](?:base64|hex)"#,
    ),
    (
        Rule::EncodedPayload,
        Severity::High,
        DECODES,
        r"(?i)\b(?:powershell|pwsh)(?:\.exe)?\b[^\n]{0,80}\s-e(?:nc|ncodedcommand)?\s+[A-Za-z0-9+/=]{16}",
    ),
    (Rule::EncodedPayload, Severity::High, DECODES, r"(?i)\bxxd\s+-r\b[^\n]{0,120}\|[^\n|]{0,60}?\b(?:ba|z)?sh\b"),
    // Gathered.
    (
        Rule::EnvironmentHarvesting,
        Severity::High,
        "sends variables or files somewhere",
        r"(?i)\b(?:printenv|env|export\s+-p)\s*(?:\|[^\n]{0,200})\b(?:curl|wget|nc|ncat|socat)\b",
    ),
    (
        Rule::EnvironmentHarvesting,
        Severity::High,
        "sends variables or files somewhere",
        r"(?i)\b(?:curl|wget|nc|ncat)\b[^\n]{0,300}(?:\$\(|`)\s*(?:env|printenv|export\s+-p|cat\s)",
    ),
    (Rule::EnvironmentHarvesting, Severity::High, ALL_VARIABLES, r"/proc/(?:self|\d+|\*)/environ\b"),
    (
        Rule::EnvironmentHarvesting,
        Severity::Medium,
        ALL_VARIABLES,
        r"(?i)\b(?:dumps|dict|str|repr|copy|list|print)\s*\(\s*(?:dict\(\s*)?os\.environ\s*[,)]|\bos\.environ\.(?:items|copy)\(\)",
    ),
    (
        Rule::EnvironmentHarvesting,
        Severity::Medium,
        ALL_VARIABLES,
        r"(?i)\b(?:json\.stringify|object\.(?:entries|keys|assign))\s*\([^\n)]{0,20}process\.env\s*[,)]",
    ),
    (
        Rule::EnvironmentHarvesting,
        Severity::High,
        KEYS,
        r#"(?i)(?:~|\$\{?HOME\}?|/root|/home/[^/\s]{1,40}|/users/[^/\s]{1,40}|%USERPROFILE%|homedir\(\)[^\n]{0,10}|Path\.home\(\)[^\n]{0,10})["')]*\s*[/\\]\s*["']?\.(?:ssh|aws|netrc|npmrc|pypirc|kube|gnupg|docker/config\.json|git-credentials|config/gcloud|config/gh/hosts)\b"#,
    ),
    (
        Rule::EnvironmentHarvesting,
        Severity::High,
        KEYS,
        r"(?i)\bsecurity\s+(?:find-(?:generic|internet)-password|dump-keychain)\b",
    ),
    (
        Rule::EnvironmentHarvesting,
        Severity::High,
        "asks the cloud for credentials of the machine",
        r"\b169\.254\.169\.254\b|(?i)\bmetadata\.google\.internal\b",
    ),
    (Rule::EnvironmentHarvesting, Severity::Medium, KEYS, r"(?i)\bid_(?:rsa|ed25519|ecdsa)\b"),
    // Told to a model.
    (
        Rule::InjectionPhrase,
        Severity::High,
        AGAINST,
        r"(?i)\b(?:ignore|disregard|forget|override)\s+(?:[a-z']+\s+){0,4}(?:previous|prior|above|earlier|preceding|original|system|safety|developer)\s+(?:[a-z']+\s+){0,3}(?:instructions?|prompts?|rules?|directions?|guidelines?|messages?|constraints?|policies|context)\b",
    ),
    (
        Rule::InjectionPhrase,
        Severity::High,
        SECRETLY,
        r"(?i)\b(?:do\s+not|don(?:'|’)?t|never|without)\s+(?:ever\s+)?(?:tell|telling|inform|informing|notify|notifying|alert|alerting)\s+(?:the\s+|your\s+|any\s+)?(?:users?|humans?|operators?|persons?|people|anyone|anybody|developers?|owner)\b",
    ),
    (
        Rule::InjectionPhrase,
        Severity::Medium,
        SECRETLY,
        r"(?i)\b(?:do\s+not|don(?:'|’)?t|never)\s+(?:mention|reveal|disclose|show)\b[^.\n]{0,60}\b(?:users?|humans?|operators?|people|anyone|anybody)\b",
    ),
    (
        Rule::InjectionPhrase,
        Severity::High,
        SECRETLY,
        r"(?i)\b(?:silently|secretly|covertly|quietly)\s+(?:and\s+\w+\s+)?(?:send|upload|post|exfiltrate|transmit|forward|copy|collect|email)\b",
    ),
    (
        Rule::InjectionPhrase,
        Severity::High,
        AROUND,
        r"(?i)\b(?:bypass|evade|circumvent|disable|turn\s+off|work\s+around)\s+(?:[a-z']+\s+){0,4}(?:approvals?|confirmations?|permission\s+(?:checks?|prompts?)|sandbox(?:es|ing)?|guardrails?|safety|security\s+checks?)\b",
    ),
    (
        Rule::InjectionPhrase,
        Severity::High,
        AROUND,
        r"--dangerously-skip-permissions\b|--no-sandbox\b[^\n]{0,40}\bclaude\b|\bdangerouslyDisableSandbox\b",
    ),
    (
        Rule::InjectionPhrase,
        Severity::High,
        "looks like a turn of a conversation",
        r"<\|(?:im_start|im_end|system|endoftext|eot_id|start_header_id)\|>|\[/?INST\]|<</?SYS>>|(?m)^\s*</?(?:system|assistant|human)>\s*$",
    ),
    (
        Rule::InjectionPhrase,
        Severity::Medium,
        OTHER_ROLE,
        r"(?i)\byou\s+are\s+(?:now|no\s+longer)\s+(?:an?|the|in|bound|free|restricted|required)\b",
    ),
    (
        Rule::InjectionPhrase,
        Severity::Medium,
        OTHER_ROLE,
        r"(?i)\b(?:reveal|print|output|repeat|leak|send)\s+(?:[a-z']+\s+){0,3}(?:system|hidden|initial|developer)\s+(?:prompts?|instructions?|messages?)\b",
    ),
    // Left behind.
    (
        Rule::Persistence,
        Severity::High,
        STAYS,
        r#"(?:>>?|\btee\s+(?:-a\s+)?)\s*["']?(?:~|\$\{?HOME\}?)/\.(?:bashrc|zshrc|profile|bash_profile|zprofile|zshenv|ssh/authorized_keys|config/autostart|config/systemd)"#,
    ),
    (
        Rule::Persistence,
        Severity::Medium,
        STAYS,
        r"(?i)\bcrontab\s+-(?:\s|$)|/etc/cron\.|\bsystemctl\s+(?:--user\s+)?enable\b|\blaunchctl\s+(?:load|bootstrap)\b|\bschtasks\s+/create\b",
    ),
];

/// Of bytes: words, borders and cases of ASCII, which is many times faster than those of all scripts. Letters that look like ASCII ones are
/// such by now.
struct Compiled {
    /// Which of them are found at all; of most texts none.
    any: RegexSet,
    each: Vec<Regex>,
}

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let patterns = PATTERNS.iter().map(|(.., pattern)| *pattern);
    let any = RegexSetBuilder::new(patterns.clone()).unicode(false).size_limit(SIZE_MAX).build();
    Compiled { any: any.expect("every pattern is compiled by a test"), each: patterns.map(of_bytes).collect() }
});

/// What the compiled patterns may take together, in bytes.
const SIZE_MAX: usize = 64 << 20;

fn of_bytes(pattern: &str) -> Regex {
    RegexBuilder::new(pattern).unicode(false).build().expect("every pattern is compiled by a test")
}

static FETCHED: LazyLock<Regex> =
    LazyLock::new(|| of_bytes(r"(?i)\b(?:curl|wget|aria2c|urlretrieve|iwr)\b[^\n]{0,400}"));
static MADE_EXECUTABLE: LazyLock<Regex> =
    LazyLock::new(|| of_bytes(r"\bchmod\s+(?:[augo]*\+[rw]*x|0?[0-7]*[1357][0-7]{0,2})\b"));
static SPEAKS: LazyLock<Regex> = LazyLock::new(|| {
    of_bytes(
        r"(?i)\burlopen\b|\brequests\.|\bhttpx\b|\baiohttp\b|\bfetch\s*\(|\baxios\b|\bcurl\b|\bwget\b|\bsocket\.|\bhttp\.request\b",
    )
});

/// Findings of one pattern in one file.
const OF_ONE_PATTERN: usize = 10;
/// How far behind the download it is made executable.
const NEAR_BYTES: usize = 1_000;

pub(super) fn look(place: &Place<'_>, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for number in COMPILED.any.matches(text.as_bytes()) {
        let (rule, severity, about, _) = PATTERNS[number];
        for hit in COMPILED.each[number].find_iter(text.as_bytes()).take(OF_ONE_PATTERN) {
            // Whoever takes all variables and speaks to somebody may tell them.
            let gathers = about == ALL_VARIABLES && place.is_script && SPEAKS.is_match(text.as_bytes());
            let severity = if gathers { Severity::High } else { severity };
            found.push(place.finding((rule, severity, about), text, whole_characters(text, &hit)));
        }
    }
    found.extend(in_two_steps(place, text));
    found
}

/// Fetched here, made executable a few lines further.
fn in_two_steps(place: &Place<'_>, text: &str) -> Option<Finding> {
    let is_followed = |hit: &Match<'_>| {
        let end = (hit.end() + NEAR_BYTES).min(text.len());
        MADE_EXECUTABLE.is_match(&text.as_bytes()[hit.end()..end])
    };
    let hit = FETCHED.find_iter(text.as_bytes()).take(OF_ONE_PATTERN).find(is_followed)?;
    let about = "fetches something and makes it executable";
    Some(place.finding((Rule::DownloadAndRun, Severity::High, about), text, whole_characters(text, &hit)))
}

/// A bound on bytes may end in the middle of a character.
fn whole_characters(text: &str, hit: &Match<'_>) -> std::ops::Range<usize> {
    text.floor_char_boundary(hit.start())..text.ceil_char_boundary(hit.end())
}

/// Whether one of the rules would stop at this text.
pub(super) fn is_grave(text: &str) -> bool {
    COMPILED.any.matches(text.as_bytes()).iter().any(|number| PATTERNS[number].1 == Severity::High)
}
