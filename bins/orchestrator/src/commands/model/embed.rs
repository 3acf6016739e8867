use comfy_table::Cell;
use serde_json::{Value, json};

use super::target;
use crate::answer::Answer;
use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::params::Params;
use crate::show::{plain, text};
use crate::values;

/// Numbers of a vector that are shown.
const SHOWN: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct EmbedArgs {
    /// The texts: each a text, @FILE or -
    #[arg(required = true)]
    texts: Vec<String>,
    /// PROVIDER/MODEL [default: models.embedding of the configuration]
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,
    /// Numbers in a vector, for models that can be asked
    #[arg(long, value_name = "N")]
    dimensions: Option<u32>,
}

pub(super) async fn run(daemon: &Daemon, args: EmbedArgs) -> Result<(), Failure> {
    let texts = args.texts.iter().map(|text| values::read_text(text)).collect::<Result<Vec<_>, _>>()?;
    let params =
        Params::new().maybe("model", args.model).maybe("dimensions", args.dimensions).with("inputs", texts.as_slice());
    let made = daemon.call("model.embed", params).await?;
    let vectors = made["vectors"].as_array().into_iter().flatten();
    let items = texts.iter().zip(vectors).map(|(text, vector)| json!({ "text": text, "vector": vector })).collect();
    let row = |item: &Value| {
        let numbers = item["vector"].as_array().into_iter().flatten().take(SHOWN);
        let begin: Vec<String> = numbers.map(|number| format!("{:.4}", number.as_f64().unwrap_or_default())).collect();
        let line: String = text(item, "text").lines().next().unwrap_or_default().chars().take(40).collect();
        vec![Cell::new(line), Cell::new(begin.join(" ") + " …")]
    };
    let mut answer = Answer::list(&daemon.out, items, &["TEXT", "VECTOR"], "no vectors", row);
    let (who, tokens) = (target(&made["answeredBy"]), plain(&made["usage"]["input"]));
    answer.text.push_str(&format!("\n{who}, {} numbers each, {tokens} tokens read", plain(&made["dimensions"])));
    daemon.out.show(&Answer { json: made, ..answer })
}
