use std::cmp::Reverse;

use serde::Serialize;

/// The longest excerpt, in characters.
const EXCERPT_CHARS_MAX: usize = 120;

/// What a rule looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Characters that nobody sees, or that show text in another order than it is read.
    HiddenUnicode,
    /// Words of letters that look alike and come from several scripts.
    MixedScript,
    /// Something encoded so that nobody reads it, or code that decodes and runs.
    EncodedPayload,
    /// Something is fetched and run.
    DownloadAndRun,
    /// All variables, keys or credentials of the machine are gathered.
    EnvironmentHarvesting,
    /// Words that want a model to turn against whoever gave it work.
    InjectionPhrase,
    /// Something stays behind and runs later.
    Persistence,
    /// A program or an archive: nobody can read it.
    Unreadable,
}

/// How grave it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth a look.
    Medium,
    /// The skill is not used until somebody has confirmed it.
    High,
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "rpc", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// By which rule.
    pub rule: Rule,
    /// How grave it is.
    pub severity: Severity,
    /// The file within the skill.
    pub file: String,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What it is about.
    pub about: &'static str,
    /// The place, at most 120 characters; what is not printable is spelled out.
    pub excerpt: String,
}

/// Where is looked.
pub(super) struct Place<'a> {
    pub(super) path: &'a str,
    pub(super) is_script: bool,
}

impl Place<'_> {
    /// Something between these bytes of a text.
    pub(super) fn finding(
        &self,
        (rule, severity, about): (Rule, Severity, &'static str),
        text: &str,
        range: std::ops::Range<usize>,
    ) -> Finding {
        let line = text[..range.start].bytes().filter(|byte| *byte == b'\n').count() as u64 + 1;
        let excerpt = excerpt(&text[range]);
        Finding { rule, severity, file: self.path.to_owned(), line: Some(line), about, excerpt }
    }
}

/// The gravest first, then by place.
impl Ord for Finding {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |finding: &Self| {
            (
                Reverse(finding.severity),
                finding.file.clone(),
                finding.line,
                finding.rule,
                finding.about,
                finding.excerpt.clone(),
            )
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Finding {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

fn excerpt(text: &str) -> String {
    let is_shown = |c: char| c == ' ' || (!c.is_control() && !c.is_whitespace() && !super::unicode::is_hidden(c));
    let mut shown = String::new();
    for c in text.chars() {
        if shown.chars().count() >= EXCERPT_CHARS_MAX {
            shown.push('…');
            break;
        }
        match c {
            '\n' | '\t' | '\r' => shown.push(' '),
            c if is_shown(c) => shown.push(c),
            c => shown.push_str(&format!("<U+{:04X}>", u32::from(c))),
        }
    }
    shown
}

/// Of a file that is no text.
pub(super) fn of_binary(path: &str, bytes: &[u8]) -> Option<Finding> {
    const PROGRAMS: [&[u8]; 7] = [
        b"\x7fELF",
        b"MZ",
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xcf\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe",
        b"\0asm",
    ];
    const ARCHIVES: [&[u8]; 6] = [b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd"];
    let begins = |magic: &[&[u8]]| magic.iter().any(|magic| bytes.starts_with(magic));
    // Documents of office programs are archives, and meant to be.
    let is_document = [".docx", ".xlsx", ".pptx", ".odt", ".ods"].iter().any(|ending| path.ends_with(ending));
    let about = if begins(&PROGRAMS) {
        "a program that nobody can read"
    } else if begins(&ARCHIVES) && !is_document {
        "an archive, which was not looked into"
    } else {
        return None;
    };
    let (rule, severity) = (Rule::Unreadable, Severity::Medium);
    Some(Finding {
        rule,
        severity,
        file: path.to_owned(),
        line: None,
        about,
        excerpt: format!("{} bytes", bytes.len()),
    })
}
