use std::sync::Arc;

use orchestrator_model_openai::{Api, Config, EmbeddingOptions, Encoding, OpenAi, Options};
use orchestrator_models::{EmbedRequest, ErrorKind, Provider as _};
use orchestrator_vocab::SystemClock;
use serde_json::json;

use crate::answers::{config, error, json, provider};
use crate::upstream::Upstream;

fn request(dimensions: Option<u32>) -> EmbedRequest {
    EmbedRequest { model: "text-embedding-test".into(), inputs: vec!["a".into(), "b".into()], dimensions }
}

#[tokio::test]
async fn vectors_come_in_the_order_of_their_texts() {
    let data = json!([{ "index": 1, "embedding": [3.0, 4.0] }, { "index": 0, "embedding": "AACAPwAAAEA=" }]);
    let answer = json!({ "object": "list", "data": data, "usage": { "prompt_tokens": 2, "total_tokens": 2 } });
    let upstream = Upstream::new(move |_| json(200, &answer)).await;
    let made = provider(&upstream, Api::Chat).embed(request(Some(2))).await.unwrap();
    assert_eq!((made.vectors, made.usage.input), (vec![vec![1.0, 2.0], vec![3.0, 4.0]], 2));
    let asked = upstream.asked().pop().unwrap();
    assert_eq!(asked.path, "/v1/embeddings");
    let expected = json!({
        "model": "text-embedding-test", "input": ["a", "b"], "dimensions": 2, "encoding_format": "float",
    });
    assert_eq!(asked.body, expected);
}

#[tokio::test]
async fn the_form_and_the_number_at_once_are_the_operators() {
    let embeddings = EmbeddingOptions { inputs_max: 32, encoding: Some(Encoding::Base64) };
    let upstream = Upstream::new(|_| error(400, "invalid_request_error", "")).await;
    let options = Options { embeddings, ..Options::default() };
    let config = Config { options, base_url: upstream.url.clone(), ..config() };
    let provider = OpenAi::new("local", config, Arc::new(SystemClock)).unwrap();
    assert_eq!(provider.embed_limits().inputs_max, 32);
    let refused = provider.embed(request(None)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::InvalidRequest);
    let asked = upstream.asked().pop().unwrap();
    assert_eq!((&asked.body["encoding_format"], asked.body.get("dimensions")), (&json!("base64"), None));
}
