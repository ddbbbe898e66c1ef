//! Which kind of body a request carries.

use http::{HeaderMap, HeaderValue, header};

use crate::{problem::Problem, problem_type::ProblemType};

/// The one of the `allowed` media types that the request's `Content-Type` names, letter case and parameters aside. A
/// `charset` other than UTF-8 is refused.
pub fn media_type(headers: &HeaderMap, allowed: &[&'static str]) -> Result<&'static str, Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(unsupported("the request has no Content-Type", allowed));
    };
    let text = value.to_str().unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let Some(found) = allowed.iter().find(|a| a.eq_ignore_ascii_case(essence)) else {
        return Err(unsupported(&format!("the Content-Type is {value:?}"), allowed));
    };
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim_matches('"');
        if name.eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
            let refused = format!("the charset {value:?} is not read, only utf-8");
            return Err(unsupported(&refused, allowed));
        }
    }
    Ok(found)
}

fn unsupported(found: &str, allowed: &[&'static str]) -> Problem {
    let listed = allowed.join(", ");
    let detail = format!("{found}; allowed here: {listed}");
    let problem = Problem::new(ProblemType::UnsupportedMediaType, detail);
    match HeaderValue::from_str(&listed) {
        Ok(accept) => problem.header(header::ACCEPT, accept),
        Err(_) => problem,
    }
}
