/// Which headers of a request a tool takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Headers {
    /// Those that say which form of the same thing is wanted. Any other may be a credential, and then looking is done in somebody's
    /// name.
    Listed,
    /// All but those that make a request mean something else than it says, or come from somewhere else than it does.
    NotRefused,
}

const LISTED: [&str; 5] = ["accept", "accept-language", "if-modified-since", "if-none-match", "range"];

/// With `-` for `_`: servers that hand headers on as variables take both for the same.
const REFUSED: [&str; 26] = [
    // Frame or route the message. `egress` refuses them too, as they are usually spelled.
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Another method, another address.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-host",
    "x-original-host",
    "x-original-method",
    "x-original-url",
    "x-rewrite-url",
    // Somebody else asks.
    "cf-connecting-ip",
    "fastly-client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-originating-ip",
    "x-real-ip",
];

const REFUSED_BEGINNINGS: [&str; 2] = ["proxy-", "x-forwarded-"];

impl Headers {
    /// # Errors
    /// Why it is refused.
    pub(super) fn check(self, name: &str) -> Result<(), String> {
        let meant = name.to_ascii_lowercase().replace('_', "-");
        let shown: String = name.chars().take(64).collect();
        match self {
            Self::Listed if LISTED.contains(&meant.as_str()) => Ok(()),
            Self::Listed => Err(format!("the header `{shown}` is refused: expected one of {}", LISTED.join(", "))),
            Self::NotRefused if is_refused(&meant) => Err(format!(
                "the header `{shown}` is refused: it changes what the request means, where it goes or whom it comes from"
            )),
            Self::NotRefused => Ok(()),
        }
    }
}

fn is_refused(meant: &str) -> bool {
    REFUSED.contains(&meant) || REFUSED_BEGINNINGS.iter().any(|beginning| meant.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: Headers, right: &[&str], wrong: &[&str]) {
        for name in right {
            assert_eq!(headers.check(name), Ok(()));
        }
        for name in wrong {
            assert!(headers.check(name).unwrap_err().contains(name), "{name}");
        }
    }

    #[test]
    fn looking_takes_what_says_which_form_is_wanted() {
        check(
            Headers::Listed,
            &["Accept", "accept-language", "Range", "If-None-Match"],
            &["Authorization", "Cookie", "X-Api-Key", "Host", "Content-Type", "User-Agent"],
        );
    }

    #[test]
    fn asking_takes_all_but_what_makes_it_mean_something_else() {
        check(
            Headers::NotRefused,
            &["Authorization", "Cookie", "X-Api-Key", "Content-Type", "Idempotency-Key", "Prefer", "X-Hosts"],
            &[
                "Host",
                "X-HTTP-Method-Override",
                "X_Http_Method_Override",
                "X-Forwarded-For",
                "x-forwarded-host",
                "Proxy-Authorization",
                "Transfer_Encoding",
                "Content_Length",
                "Via",
            ],
        );
    }
}
