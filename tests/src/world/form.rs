//! The form of a page, read as a browser reads it, without knowing what the page is about.

/// A form with its hidden fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Where it posts to; none: to the page's own address.
    pub action: Option<String>,
    /// The hidden inputs, and the first named button.
    pub fields: Vec<(String, String)>,
}

/// The page's first form that posts.
pub fn form_in(html: &str) -> Option<Form> {
    let forms = html.split("<form").skip(1).map(|rest| rest.split("</form").next().unwrap_or(rest));
    let form =
        forms.into_iter().find(|form| attribute(form, "method").is_some_and(|method| method.eq_ignore_ascii_case("post")))?;
    let hidden = tags(form, "<input").filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"));
    let button = tags(form, "<button").filter(|tag| attribute(tag, "name").is_some()).take(1);
    let field = |tag: &str| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()));
    Some(Form { action: attribute(form, "action"), fields: hidden.chain(button).filter_map(field).collect() })
}

fn tags<'a>(html: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    html.split(start).skip(1).map(|rest| rest.split('>').next().unwrap_or(rest))
}

/// The value of an attribute of the tag that the text begins in; maud quotes every value with `"`.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split('>').next().unwrap_or(tag);
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    Some(value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'").replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_fields_come_back_as_they_were_meant() {
        let page = r#"<form action="/search"><input name="q"></form>
            <form method="post"><input type="hidden" name="csrf" value="a&amp;b"><input type="text" name="reason">
            <button type="submit" name="go" value="yes">Open</button></form>"#;
        let fields = [("csrf", "a&b"), ("go", "yes")].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(form_in(page), Some(Form { action: None, fields }));
    }
}
