//! Writing HTML that is well-formed by construction, and the one place where text from outside is
//! escaped.
//!
//! Elements are closed by the builder, attributes are always quoted, elements without content end
//! in `/>`: the page is well-formed XML, too, which is how the tests check it.

/// Attributes of an element.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

/// A page under construction.
#[derive(Debug, Default)]
pub struct Html {
    out: String,
    ids: usize,
}

impl Html {
    /// The page.
    pub fn finish(self) -> String {
        self.out
    }

    /// Markup of our own, as it is.
    pub fn fixed(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// An identifier that the page doesn't have yet.
    pub fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("i{}", self.ids)
    }

    /// An element with what `inside` writes.
    pub fn element(
        &mut self,
        name: &'static str,
        attributes: Attributes,
        inside: impl FnOnce(&mut Html),
    ) {
        self.start(name, attributes);
        self.out.push('>');
        inside(self);
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// An element that holds a text.
    pub fn text_element(&mut self, name: &'static str, attributes: Attributes, text: &str) {
        self.element(name, attributes, |html| html.text(text));
    }

    /// An element without content, such as `meta` or `rect`.
    pub fn empty(&mut self, name: &'static str, attributes: Attributes) {
        self.start(name, attributes);
        self.out.push_str("/>");
    }

    /// A `div` that only takes a place.
    pub fn empty_div(&mut self, class: &'static str) {
        self.element("div", &[("class", class)], |_| {});
    }

    /// A text.
    pub fn text(&mut self, text: &str) {
        escape(&mut self.out, text);
    }

    /// A sentence of a result: what stands between backticks is code, and no unit stands alone.
    pub fn sentence(&mut self, text: &str) {
        let text = text.replace(" %", "\u{a0}%");
        let is_paired = text.matches('`').count().is_multiple_of(2);
        for (number, part) in text.split('`').enumerate() {
            if number > 0 && !is_paired {
                self.text("`");
            }
            if is_paired && number % 2 == 1 {
                self.text_element("code", &[], part);
            } else {
                self.text(part);
            }
        }
    }

    /// A path: may break after each slash, so that narrow columns don't cut it.
    pub fn path(&mut self, path: &str) {
        self.element("code", &[("class", "path")], |html| {
            let mut first = true;
            for part in path.split_inclusive('/') {
                if !first {
                    html.empty("wbr", &[]);
                }
                first = false;
                html.text(part);
            }
        });
    }

    fn start(&mut self, name: &'static str, attributes: Attributes) {
        self.out.push('<');
        self.out.push_str(name);
        for (attribute, value) in attributes {
            if value.is_empty() && *attribute == "class" {
                continue;
            }
            self.out.push(' ');
            self.out.push_str(attribute);
            self.out.push_str("=\"");
            escape(&mut self.out, value);
            self.out.push('"');
        }
    }
}

/// Escapes what means something in HTML, and writes out what would be invisible, reorder the text
/// around it or not be allowed at all.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Between a number and its unit, and in a page no more than a space anywhere.
            '\n' | '\u{a0}' => out.push(character),
            other => fsreplay_shown::push(out, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        escape(&mut out, text);
        out
    }

    #[test]
    fn markup_in_a_text_is_text() {
        assert_eq!(
            escaped("</script><img src=x onerror='a()'>&\""),
            "&lt;/script&gt;&lt;img src=x onerror=&#39;a()&#39;&gt;&amp;&quot;"
        );
    }

    #[test]
    fn what_would_be_invisible_or_reorder_is_shown() {
        assert_eq!(
            escaped("a\0\x1b[31m\u{202e}b\u{ffff}\u{e0041}\u{fe0f}"),
            "a\\x00\\x1b[31m\\u{202e}b\\u{ffff}\\u{e0041}\\u{fe0f}"
        );
        assert_eq!(escaped("naïve – \u{fffd}"), "naïve – \u{fffd}");
    }

    #[test]
    fn code_in_a_sentence_is_code_if_it_ends() {
        let written = |text: &str| {
            let mut html = Html::default();
            html.sentence(text);
            html.finish()
        };
        assert_eq!(
            written("2 % of `a <b>` is"),
            "2\u{a0}% of <code>a &lt;b&gt;</code> is"
        );
        assert_eq!(written("a ` b"), "a ` b");
        assert_eq!(written(""), "");
    }

    #[test]
    fn attributes_are_quoted_and_escaped() {
        let mut html = Html::default();
        html.empty("rect", &[("class", "\" onload=\"x"), ("x", "1%")]);
        assert_eq!(
            html.finish(),
            "<rect class=\"&quot; onload=&quot;x\" x=\"1%\"/>"
        );
    }
}
