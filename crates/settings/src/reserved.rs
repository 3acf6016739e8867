use crate::tree::{Node, Value, join};
use crate::{Environment, Error, Warning};

/// A name that is known but has nothing behind it yet.
///
/// Setting it gives one warning, so that a configuration written for a later version loads;
/// switching it on is an error, so that nobody believes it works.
#[derive(Debug, Clone)]
pub struct Reserved {
    name: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Section { switch: Option<&'static str> },
    Variable,
    SwitchVariable,
}

impl Reserved {
    /// A section of files (dotted if nested), for example `memory`.
    #[must_use]
    pub const fn section(name: &'static str) -> Self {
        Self { name, kind: Kind::Section { switch: None } }
    }

    /// A section that would be switched on by the key `switch` in it.
    #[must_use]
    pub const fn switched_section(name: &'static str, switch: &'static str) -> Self {
        Self { name, kind: Kind::Section { switch: Some(switch) } }
    }

    /// An environment variable, for example `TOKEN_BUDGET_DAILY`.
    #[must_use]
    pub const fn variable(name: &'static str) -> Self {
        Self { name, kind: Kind::Variable }
    }

    /// An environment variable that would switch something on when it is true.
    #[must_use]
    pub const fn switch_variable(name: &'static str) -> Self {
        Self { name, kind: Kind::SwitchVariable }
    }
}

/// Takes reserved sections out of a layer.
pub(crate) fn take_sections(layer: &mut Node, reserved: &[Reserved], warnings: &mut Vec<Warning>) -> Result<(), Error> {
    for Reserved { name, kind } in reserved {
        let Kind::Section { switch } = kind else { continue };
        let Some(mut section) = layer.remove(name) else { continue };
        if let Some(switch) = switch
            && let Some(node) = section.get(switch)
            && is_on(&node.value)
        {
            return Err(Error::NotBuilt { place: node.source.clone(), switch: join(name, switch) });
        }
        // The line of the section's name reads better than that of its first value.
        if let (crate::Source::File { position, .. }, Some(key)) = (&mut section.source, section.key) {
            *position = Some(key);
        }
        let message = format!("section `{name}` is not built yet and is ignored");
        if !warnings.iter().any(|other| other.message == message) {
            warnings.push(Warning { place: section.source, message });
        }
    }
    Ok(())
}

/// Warns of reserved variables that are set.
pub(crate) fn check_variables(
    environment: &Environment,
    reserved: &[Reserved],
    warnings: &mut Vec<Warning>,
) -> Result<(), Error> {
    for Reserved { name, kind } in reserved {
        if matches!(kind, Kind::Section { .. }) {
            continue;
        }
        let Some(entry) = environment.entry(name) else { continue };
        let text = entry.text.clone().unwrap_or_default();
        if *kind == Kind::SwitchVariable && is_on(&Value::Text(text)) {
            return Err(Error::NotBuilt { place: entry.source.clone(), switch: (*name).to_owned() });
        }
        let message = "is for a part that is not built yet and is ignored".to_owned();
        warnings.push(Warning { place: entry.source.clone(), message });
    }
    Ok(())
}

/// Whatever is not clearly off counts as on.
fn is_on(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Integer(value) => *value != 0,
        Value::Text(text) => !matches!(text.to_ascii_lowercase().as_str(), "" | "false" | "0" | "no" | "off"),
        _ => true,
    }
}
