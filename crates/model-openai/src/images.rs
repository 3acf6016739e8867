use orchestrator_transcript::ImageSource;

/// The address of a picture, which may hold the picture itself (RFC 2397).
pub(crate) fn url(source: &ImageSource) -> String {
    match source {
        ImageSource::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
        ImageSource::Url { url } => url.clone(),
    }
}
