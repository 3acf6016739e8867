use serde_json::json;

use crate::{Daemon, Http, Socket};

/// An organisation of its own, with its administrator's key.
#[derive(Debug, Clone)]
pub struct Organisation {
    /// `org_…`
    pub id: String,
    /// An API key with `daemon.admin`.
    pub token: String,
}

impl Daemon {
    /// Creates an organisation through the operator's.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn organisation(&self, name: &str) -> Organisation {
        let http = self.admin_http();
        let org = http.call("org.create", json!({"name": name})).await.expect("org.create");
        let id = org["id"].as_str().expect("an organisation has an id").to_owned();
        let token = issue(&http, json!({"orgId": id, "scopes": ["daemon.admin"]})).await;
        Organisation { id, token }
    }

    /// An API key of the operator's organisation with these scopes, separated by spaces.
    ///
    /// # Panics
    /// If that is refused.
    pub async fn token(&self, scopes: &str) -> String {
        let scopes: Vec<&str> = scopes.split_whitespace().collect();
        issue(&self.admin_http(), json!({"scopes": scopes})).await
    }
}

impl Organisation {
    /// A connection of its administrator.
    pub async fn socket(&self, daemon: &Daemon) -> Socket {
        daemon.socket(&self.token).await
    }

    /// Requests of its administrator.
    pub fn http(&self, daemon: &Daemon) -> Http {
        daemon.http().with_token(&self.token)
    }
}

async fn issue(http: &Http, more: serde_json::Value) -> String {
    let mut params = json!({"kind": "apiKey", "subject": "a test"});
    for (key, value) in more.as_object().expect("parameters are an object") {
        params[key] = value.clone();
    }
    let issued = http.call("auth.token.issue", params).await.expect("auth.token.issue");
    issued["token"].as_str().expect("a token is text").to_owned()
}
