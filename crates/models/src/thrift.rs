use std::sync::Arc;

use futures::future::BoxFuture;

use crate::Target;
use crate::layers::Account;

/// Asked before each request which cheaper model is to be asked in the place of one that could be; `None`: it is asked as always.
pub type Thrift = Arc<dyn Fn(Account, Target) -> BoxFuture<'static, Option<Instead>> + Send + Sync>;

/// A model that is asked because money runs short, if it can do what is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// As for [`Ask::model`](crate::Ask::model).
    pub model: String,
    /// The limit of which much is spent, for people.
    pub limit: String,
    /// How much of it is, in thousandths.
    pub used_permille: u64,
}
