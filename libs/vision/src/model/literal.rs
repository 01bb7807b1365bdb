//! Lists and dictionaries of class names, as JSON or Python writes them.

use std::iter::Peekable;
use std::str::Chars;

/// Parses `['a', 'b']`, `["a", "b"]`, `{0: 'a', 1: 'b'}` or `{"0": "a", "1": "b"}`.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    let mut parser = Parser { rest: text.chars().peekable() };
    let names = match parser.next() {
        Some('[') => parser.list(']'),
        Some('(') => parser.list(')'),
        Some('{') => parser.dictionary(),
        other => Err(format!("expected `[` or `{{`, found {}", show(other))),
    }?;
    parser.finish().map(|()| names)
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
}

fn show(found: Option<char>) -> String {
    found.map_or_else(|| "the end".into(), |character| format!("`{character}`"))
}

impl Parser<'_> {
    fn skip_blanks(&mut self) {
        while self.rest.next_if(|character| character.is_whitespace()).is_some() {}
    }

    fn next(&mut self) -> Option<char> {
        self.skip_blanks();
        self.rest.next()
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_blanks();
        self.rest.next_if_eq(&wanted).is_some()
    }

    fn finish(&mut self) -> Result<(), String> {
        self.next().map_or(Ok(()), |found| Err(format!("expected the end, found `{found}`")))
    }

    fn list(&mut self, close: char) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        while !self.take(close) {
            names.push(self.string()?);
            self.separator(close)?;
        }
        Ok(names)
    }

    fn dictionary(&mut self) -> Result<Vec<String>, String> {
        let mut entries = Vec::new();
        while !self.take('}') {
            let key = self.key()?;
            if !self.take(':') {
                return Err(format!("expected `:` after key {key}"));
            }
            entries.push((key, self.string()?));
            self.separator('}')?;
        }
        in_order(entries)
    }

    /// A comma, or nothing before `close`.
    fn separator(&mut self, close: char) -> Result<(), String> {
        if self.take(',') || self.rest.peek() == Some(&close) {
            return Ok(());
        }
        let found = show(self.rest.peek().copied());
        Err(format!("expected `,` or `{close}`, found {found}"))
    }

    fn key(&mut self) -> Result<usize, String> {
        self.skip_blanks();
        let text = match self.rest.peek() {
            Some('\'' | '"') => self.string()?,
            _ => std::iter::from_fn(|| self.rest.next_if(char::is_ascii_digit)).collect(),
        };
        text.parse().map_err(|_| format!("expected a class number as key, found `{text}`"))
    }

    fn string(&mut self) -> Result<String, String> {
        let quote = match self.next() {
            Some(quote @ ('\'' | '"')) => quote,
            found => return Err(format!("expected a quoted class name, found {}", show(found))),
        };
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some('\\') => text.push(self.escape()?),
                Some(found) if found == quote => return Ok(text),
                Some(found) => text.push(found),
                None => return Err(format!("class name `{text}` has no closing quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        match self.rest.next() {
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('x') => self.code(2),
            Some('u') => self.code(4),
            Some('U') => self.code(8),
            Some(literal) => Ok(literal),
            None => Err("`\\` at the end".into()),
        }
    }

    /// A character by `digits` hexadecimal digits; for the first half of a JSON surrogate pair, with the second.
    fn code(&mut self, digits: usize) -> Result<char, String> {
        let mut code = self.hexadecimal(digits)?;
        if (0xd800..0xdc00).contains(&code) && self.take('\\') && self.take('u') {
            let low = self.hexadecimal(4)?;
            code = 0x10000 + ((code - 0xd800) << 10) + low.wrapping_sub(0xdc00).min(0x3ff);
        }
        char::from_u32(code).ok_or_else(|| format!("U+{code:04X} is no character"))
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<u32, String> {
        let text: String = (0..digits).map_while(|_| self.rest.next_if(char::is_ascii_hexdigit)).collect();
        match u32::from_str_radix(&text, 16) {
            Ok(code) if text.len() == digits => Ok(code),
            _ => Err(format!("expected {digits} hexadecimal digits, found `{text}`")),
        }
    }
}

/// The names of entries numbered from 0 without gaps.
fn in_order(mut entries: Vec<(usize, String)>) -> Result<Vec<String>, String> {
    entries.sort_by_key(|&(key, _)| key);
    match entries.iter().enumerate().find(|&(index, &(key, _))| index != key) {
        Some((index, (key, _))) => {
            Err(format!("expected class number {index}, found {key}: number them from 0 without gaps"))
        }
        None => Ok(entries.into_iter().map(|(_, name)| name).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_and_json_lists_and_dictionaries() {
        for text in [
            "['a', 'b c']",
            r#"["a","b c",]"#,
            "('a', 'b c')",
            "{0: 'a', 1: 'b c'}",
            r#"{"1": "b c", "0": "a"}"#,
        ] {
            assert_eq!(names(text).unwrap(), ["a", "b c"], "{text}");
        }
        assert_eq!(names("{}").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn quotes_and_escapes() {
        assert_eq!(
            names(r#"["it's", 'a\'b', "\u00e9\ud83d\ude00", '\xe9']"#).unwrap(),
            ["it's", "a'b", "é😀", "é"]
        );
    }

    #[test]
    fn errors_say_what_is_wrong() {
        for (text, reason) in [
            ("person", "expected `[` or `{`, found `p`"),
            ("['a' 'b']", "expected `,` or `]`"),
            ("['a", "no closing quote"),
            ("{0: 'a', 2: 'b'}", "expected class number 1, found 2"),
            ("{x: 'a'}", "expected a class number"),
            ("['a'] tail", "expected the end"),
            (r"['\u12']", "expected 4 hexadecimal digits"),
        ] {
            let error = names(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
