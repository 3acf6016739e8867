//! Secrets that are recognised by how they begin.
//!
//! Each pattern is a fixed beginning and a run of letters after it. Nothing here looks back, and a run that was
//! looked at is not looked at again by the same pattern, so the work is linear in the text.

/// Which bytes (all ASCII) go on with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    Alphanumeric,
    /// Capital letters and digits.
    Capital,
    /// Letters, digits, `-` and `_`.
    Word,
    /// Words and dots.
    Dotted,
    /// What may follow `Bearer`.
    Token,
    /// What a block in PEM consists of, also when its line ends are escaped.
    Block,
    /// Of the label of a block.
    Label,
}

impl Member {
    pub(crate) fn has(self, letter: u8) -> bool {
        let or_one_of = |others: &[u8]| letter.is_ascii_alphanumeric() || others.contains(&letter);
        match self {
            Self::Alphanumeric => or_one_of(b""),
            Self::Capital => letter.is_ascii_uppercase() || letter.is_ascii_digit(),
            Self::Word => or_one_of(b"-_"),
            Self::Dotted => or_one_of(b"-_."),
            Self::Token => or_one_of(b"-_.~+/="),
            Self::Block => letter.is_ascii_whitespace() || or_one_of(b"+/=-\\:,"),
            Self::Label => Self::Capital.has(letter) || letter == b' ',
        }
    }

    /// How many letters of this kind the bytes begin with.
    pub(crate) fn run_length(self, bytes: &[u8]) -> usize {
        bytes.iter().take_while(|letter| self.has(**letter)).count()
    }
}

/// What is undecided for longer than this is decided without the rest.
pub(crate) const UNDECIDED_BYTES_MAX: usize = 8 * 1024;

pub(crate) struct Pattern {
    /// What it is called in the text that takes its place.
    pub(crate) name: &'static str,
    pub(crate) prefixes: &'static [&'static str],
    rest: Rest,
}

enum Rest {
    /// A run of letters that is long enough and has what such keys have.
    Run { member: Member, length_min: usize, needs: Needs },
    /// The same after a word that stays readable.
    AfterWord { member: Member, length_min: usize, needs: Needs },
    /// `//user:password@`: the password.
    Password,
    /// The label of the block, then everything up to its end.
    PrivateKey,
}

#[derive(Clone, Copy)]
enum Needs {
    Nothing,
    /// Words joined by hyphens have none.
    Digit,
    TwoDots,
}

/// What a pattern says about the text after its prefix; offsets are from the start of the prefix.
pub(crate) enum Verdict {
    /// Not one of these; up to here there is no other either.
    No { looked_at: usize },
    /// More text is needed.
    Undecided,
    /// A secret; `open` if more text of this kind would belong to it.
    Yes { from: usize, to: usize, looked_at: usize, open: Option<Member> },
}

const fn run(name: &'static str, prefixes: &'static [&'static str], member: Member, length_min: usize) -> Pattern {
    Pattern { name, prefixes, rest: Rest::Run { member, length_min, needs: Needs::Nothing } }
}

/// Lengths are a little below what the providers issue today, so that a cut key is still one.
pub(crate) const ALL: &[Pattern] = &[
    run("anthropic-key", &["sk-ant-"], Member::Word, 20),
    run("openai-key", &["sk-proj-", "sk-svcacct-", "sk-admin-"], Member::Word, 20),
    // Without a second word `sk-` is also the end of `task-`, and begins names of styles.
    Pattern {
        name: "openai-key",
        prefixes: &["sk-"],
        rest: Rest::Run { member: Member::Word, length_min: 20, needs: Needs::Digit },
    },
    run("github-token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], Member::Alphanumeric, 30),
    run("github-token", &["github_pat_"], Member::Word, 22),
    run("slack-token", &["xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "xapp-"], Member::Word, 10),
    run("aws-key", &["AKIA", "ASIA"], Member::Capital, 16),
    run("google-key", &["AIza"], Member::Word, 30),
    run("api-key", &["orc_", "orr_"], Member::Word, 20),
    Pattern {
        name: "jwt",
        prefixes: &["eyJ"],
        rest: Rest::Run { member: Member::Dotted, length_min: 20, needs: Needs::TwoDots },
    },
    Pattern {
        name: "bearer-token",
        prefixes: &["Bearer ", "bearer ", "BEARER "],
        rest: Rest::AfterWord { member: Member::Token, length_min: 16, needs: Needs::Digit },
    },
    // The second as JSON is sometimes written.
    Pattern { name: "password", prefixes: &["://", ":\\/\\/"], rest: Rest::Password },
    Pattern { name: "private-key", prefixes: &["-----BEGIN "], rest: Rest::PrivateKey },
];

impl Pattern {
    /// Looks at `text`, which begins with the prefix of this length; `complete` if no more text will come.
    pub(crate) fn judge(&self, text: &str, prefix: usize, complete: bool) -> Verdict {
        let complete = complete || text.len() > UNDECIDED_BYTES_MAX;
        match self.rest {
            Rest::Run { member, length_min, needs } => {
                judge_run(text, 0, prefix, (member, length_min, needs), complete)
            }
            Rest::AfterWord { member, length_min, needs } => {
                judge_run(text, prefix, prefix, (member, length_min, needs), complete)
            }
            Rest::Password => judge_password(text, prefix, complete),
            Rest::PrivateKey => judge_private_key(text, prefix, complete),
        }
    }

    /// Whether this pattern may begin after the text `before`. Keys begin where a word begins.
    pub(crate) fn may_follow(&self, before: &str) -> bool {
        match self.rest {
            Rest::Run { .. } => ends_a_word(before.as_bytes()),
            _ => true,
        }
    }
}

/// Also after the letter of an escape (`\n`) and the digits of one (`%3D`).
pub(crate) fn ends_a_word(before: &[u8]) -> bool {
    match before {
        [.., b'\\', b'b' | b'f' | b'n' | b'r' | b't'] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., last] => !last.is_ascii_alphanumeric(),
        [] => true,
    }
}

fn judge_run(
    text: &str,
    from: usize,
    prefix: usize,
    (member, length_min, needs): (Member, usize, Needs),
    complete: bool,
) -> Verdict {
    let length = member.run_length(&text.as_bytes()[prefix..]);
    let to = prefix + length;
    let letters = &text.as_bytes()[prefix..to];
    let has_needed = match needs {
        Needs::Nothing => true,
        Needs::Digit => letters.iter().any(u8::is_ascii_digit),
        Needs::TwoDots => letters.iter().filter(|letter| **letter == b'.').count() >= 2,
    };
    let at_the_end = to == text.len();
    if length >= length_min && has_needed {
        Verdict::Yes { from, to, looked_at: to, open: at_the_end.then_some(member) }
    } else if at_the_end && !complete {
        Verdict::Undecided
    } else {
        Verdict::No { looked_at: to }
    }
}

fn judge_password(text: &str, prefix: usize, complete: bool) -> Verdict {
    let ends = |letter: char| letter.is_whitespace() || letter.is_control() || "/?#\"'<>\\`".contains(letter);
    let authority = &text[prefix..];
    let Some(length) = authority.find(ends).or(complete.then_some(authority.len())) else {
        return Verdict::Undecided;
    };
    let authority = &authority[..length];
    // The last letter may be the colon of another `://`.
    let looked_at = prefix + length.saturating_sub(1);
    match (authority.find(':'), authority.rfind('@')) {
        (Some(colon), Some(at)) if colon + 1 < at => {
            Verdict::Yes { from: prefix + colon + 1, to: prefix + at, looked_at, open: None }
        }
        _ => Verdict::No { looked_at },
    }
}

fn judge_private_key(text: &str, prefix: usize, complete: bool) -> Verdict {
    const DASHES: &str = "-----";
    let label = Member::Label.run_length(&text.as_bytes()[prefix..]);
    let header = prefix + label + DASHES.len();
    let dashes = &text[prefix + label..];
    if !dashes.starts_with(DASHES) {
        let undecided = !complete && DASHES.starts_with(dashes);
        return if undecided { Verdict::Undecided } else { Verdict::No { looked_at: prefix + label } };
    }
    if !text[prefix..prefix + label].contains("PRIVATE KEY") {
        // The dashes after the label may begin another block.
        return Verdict::No { looked_at: prefix + label };
    }
    // Bounded, so that many beginnings without an end are not many walks over the whole text.
    let nearby = &text[header..text.floor_char_boundary(header + UNDECIDED_BYTES_MAX)];
    let footer = nearby.find("-----END ").map(|at| header + at + "-----END ".len());
    let end = footer.and_then(|footer| text[footer..].find(DASHES).map(|at| footer + at + DASHES.len()));
    match end {
        // The dashes at the end may begin another block.
        Some(to) => Verdict::Yes { from: 0, to, looked_at: to - DASHES.len(), open: None },
        None if !complete => Verdict::Undecided,
        None => {
            let to = header + Member::Block.run_length(&text.as_bytes()[header..]);
            Verdict::Yes { from: 0, to, looked_at: to, open: (to == text.len()).then_some(Member::Block) }
        }
    }
}
