//! The parser of rules in words: recursive descent over tokens.

use super::{Comparison, Expression, Node, Number, Selector, Target};
use crate::classes::Vocabulary;
use crate::hazard::Hazard;
use crate::zone::{Shape, Zone};
use std::ops::Range;
use std::time::Duration;

/// What an expression may name.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Classes and equipment.
    pub vocabulary: &'a Vocabulary,
    /// Zones and lines.
    pub zones: &'a [Zone],
}

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {}: {message}", self.column())]
pub struct ExpressionError {
    /// The wrong part, in bytes of the text.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// In characters, counted from 0.
    characters: usize,
}

impl ExpressionError {
    /// In characters, counted from 1.
    pub fn column(&self) -> usize {
        self.characters + 1
    }
}

impl Expression {
    /// Understands `text`.
    ///
    /// # Errors
    ///
    /// The first mistake: bad syntax, or a class, equipment or zone that does not exist.
    pub fn parse(text: &str, names: Names<'_>) -> Result<Self, ExpressionError> {
        let tokens = tokens(text)?;
        let mut parser = Parser { text, tokens: &tokens, at: 0, depth: 0, names };
        let node = parser.or()?;
        let lasting = parser.lasting()?;
        parser.end()?;
        let subject = subject(&node).map(|selector| selector.class.clone());
        Ok(Self { node, subject, lasting })
    }
}

/// The first selector outside of `count`.
fn subject(node: &Node) -> Option<&Selector> {
    match node {
        Node::Or(parts) | Node::And(parts) => parts.iter().find_map(subject),
        Node::Not(part) => subject(part),
        Node::Any(selector) => Some(selector),
        Node::Compare(sides) => [&sides.0, &sides.2].into_iter().find_map(|number| match number {
            Number::Speed(selector) | Number::Distance(selector, _) => Some(selector),
            _ => None,
        }),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind<'a> {
    Word(&'a str),
    Number(f32),
    Zone(&'a str),
    Symbol(&'a str),
}

type Token<'a> = (Kind<'a>, Range<usize>);

fn error(text: &str, span: Range<usize>, message: String) -> ExpressionError {
    let characters = text.get(..span.start).unwrap_or(text).chars().count();
    ExpressionError { span, message, characters }
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = length(first, rest).ok_or_else(|| {
            let message = match first {
                '"' | '\'' => "the zone's name has no closing quote".to_owned(),
                _ => format!("'{first}' means nothing here"),
            };
            error(text, at..at + first.len_utf8(), message)
        })?;
        let span = at..at + length;
        if !first.is_whitespace() {
            tokens.push((kind(first, &rest[..length], text, &span)?, span.clone()));
        }
        at = span.end;
    }
    Ok(tokens)
}

/// The length, in bytes, of the token that begins `rest`.
fn length(first: char, rest: &str) -> Option<usize> {
    let run = |accept: fn(char) -> bool| rest.find(|c| !accept(c)).unwrap_or(rest.len());
    match first {
        c if c.is_whitespace() => Some(run(char::is_whitespace)),
        c if c.is_alphabetic() || c == '_' => Some(run(|c| c.is_alphanumeric() || c == '_' || c == '-')),
        '0'..='9' | '.' => Some(run(|c| c.is_ascii_digit() || c == '.')),
        '"' | '\'' => rest[1..].find(first).map(|end| end + 2),
        '(' | ')' | ',' => Some(1),
        '<' | '>' => Some(1 + usize::from(rest[1..].starts_with('='))),
        '=' | '!' if rest[1..].starts_with('=') => Some(2),
        _ => None,
    }
}

fn kind<'a>(
    first: char,
    token: &'a str,
    text: &str,
    span: &Range<usize>,
) -> Result<Kind<'a>, ExpressionError> {
    match first {
        '"' | '\'' => Ok(Kind::Zone(&token[1..token.len() - 1])),
        '0'..='9' | '.' => {
            let number = token.parse::<f32>().ok().filter(|number| number.is_finite());
            number.map(Kind::Number).ok_or_else(|| error(text, span.clone(), format!("{token} is no number")))
        }
        c if c.is_alphabetic() || c == '_' => Ok(Kind::Word(token)),
        _ => Ok(Kind::Symbol(token)),
    }
}

/// Deeper nesting than this is refused.
const DEEPEST: usize = 32;
/// `for` may not ask for more than an hour.
const LONGEST_S: f32 = 3600.0;

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
    at: usize,
    depth: usize,
    names: Names<'a>,
}

type Parsed<T> = Result<T, ExpressionError>;

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Kind<'a>> {
        self.tokens.get(self.at).map(|(kind, _)| *kind)
    }

    fn span(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.text.len()..self.text.len(), |(_, span)| span.clone())
    }

    /// Whether the next token is this; if so, it is taken.
    fn take(&mut self, expected: Kind<'_>) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Parsed<()> {
        if self.take(Kind::Symbol(symbol)) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    fn fail<T>(&self, span: Range<usize>, message: String) -> Parsed<T> {
        Err(error(self.text, span, message))
    }

    fn unexpected(&self, expected: &str) -> ExpressionError {
        let span = self.span();
        let found = self.text.get(span.clone()).filter(|found| !found.is_empty());
        let found = found.map_or_else(|| "the end".to_owned(), |found| format!("'{found}'"));
        error(self.text, span, format!("expected {expected}, but found {found}"))
    }

    fn end(&self) -> Parsed<()> {
        if self.peek().is_none() { Ok(()) } else { Err(self.unexpected("'and', 'or' or the end")) }
    }

    fn or(&mut self) -> Parsed<Node> {
        let mut parts = vec![self.and()?];
        while self.take(Kind::Word("or")) {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Node::Or(parts) })
    }

    fn and(&mut self) -> Parsed<Node> {
        let mut parts = vec![self.not()?];
        while self.take(Kind::Word("and")) {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Node::And(parts) })
    }

    fn not(&mut self) -> Parsed<Node> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.fail(self.span(), format!("more than {DEEPEST} levels of 'not' and parentheses"));
        }
        let node = if self.take(Kind::Word("not")) {
            Node::Not(Box::new(self.not()?))
        } else if self.take(Kind::Symbol("(")) {
            let node = self.or()?;
            self.expect(")")?;
            node
        } else {
            self.term()?
        };
        self.depth -= 1;
        Ok(node)
    }

    fn term(&mut self) -> Parsed<Node> {
        let Some(left) = self.number()? else {
            return Ok(Node::Any(self.selector()?));
        };
        let Some(comparison) = self.comparison() else {
            return Err(self.unexpected("a comparison such as '<'"));
        };
        match self.number()? {
            Some(right) => Ok(Node::Compare(Box::new((left, comparison, right)))),
            None => Err(self.unexpected("a number")),
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let Some(Kind::Symbol(symbol)) = self.peek() else { return None };
        let comparison = match symbol {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::More,
            ">=" => Comparison::MoreOrEqual,
            "==" => Comparison::Equal,
            "!=" => Comparison::Unequal,
            _ => return None,
        };
        self.at += 1;
        Some(comparison)
    }

    /// A number, if the next token begins one.
    fn number(&mut self) -> Parsed<Option<Number>> {
        match self.peek() {
            Some(Kind::Number(value)) => {
                self.at += 1;
                Ok(Some(Number::Constant(value)))
            }
            Some(Kind::Word("hour")) => {
                self.at += 1;
                Ok(Some(Number::Hour))
            }
            Some(Kind::Word(function @ ("count" | "speed" | "distance"))) => {
                self.at += 1;
                self.call(function).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn call(&mut self, function: &str) -> Parsed<Number> {
        self.expect("(")?;
        let selector = self.selector()?;
        let number = match function {
            "count" => Number::Count(selector),
            "speed" => Number::Speed(selector),
            _ => {
                self.expect(",")?;
                Number::Distance(selector, self.target()?)
            }
        };
        self.expect(")")?;
        Ok(number)
    }

    fn target(&mut self) -> Parsed<Target> {
        match self.peek() {
            Some(Kind::Zone(_)) => self.zone().map(Target::Zone),
            _ => self.selector().map(Target::Things),
        }
    }

    fn selector(&mut self) -> Parsed<Selector> {
        let class = self.class()?;
        let mut selector = Selector { class, worn: Vec::new(), zones: Vec::new() };
        loop {
            if self.take(Kind::Word("with")) {
                selector.worn.push((self.equipment()?, true));
            } else if self.take(Kind::Word("without")) {
                selector.worn.push((self.equipment()?, false));
            } else if self.take(Kind::Word("in")) {
                selector.zones.push(self.polygon()?);
            } else {
                return Ok(selector);
            }
        }
    }

    fn word(&mut self, what: &str) -> Parsed<(&'a str, Range<usize>)> {
        const RESERVED: [&str; 12] =
            ["and", "or", "not", "in", "with", "without", "for", "count", "speed", "distance", "hour", "min"];
        match self.peek() {
            Some(Kind::Word(word)) if !RESERVED.contains(&word) => {
                let span = self.span();
                self.at += 1;
                Ok((word, span))
            }
            _ => Err(self.unexpected(what)),
        }
    }

    fn class(&mut self) -> Parsed<String> {
        let (word, span) = self.word("a class such as 'person'")?;
        let Some(class) = self.names.vocabulary.resolve(word) else {
            let hint = crate::site::suggestion(word, self.names.vocabulary.names());
            return self.fail(span, format!("no class is called \"{word}\"{hint}"));
        };
        Ok(class.name.clone())
    }

    fn equipment(&mut self) -> Parsed<Hazard> {
        let (word, span) = self.word("equipment such as 'hard_hat'")?;
        let class = self.names.vocabulary.resolve(word);
        let named = Hazard::ALL.into_iter().find(|hazard| hazard.equipment() == word);
        let known = named.or_else(|| class.and_then(|class| class.worn.first().copied()));
        let known = known.filter(|hazard| *hazard != Hazard::Fall);
        let names = Hazard::ALL.into_iter().map(Hazard::equipment);
        match known {
            Some(hazard) => Ok(hazard),
            None => self.fail(
                span,
                format!("no equipment is called \"{word}\"{}", crate::site::suggestion(word, names)),
            ),
        }
    }

    /// A zone that something can stand in.
    fn polygon(&mut self) -> Parsed<usize> {
        let span = self.span();
        let zone = self.zone()?;
        match self.names.zones[zone].shape {
            Shape::Polygon => Ok(zone),
            Shape::Line => {
                self.fail(span, "nobody stands in a line: draw a zone, or use distance()".to_owned())
            }
        }
    }

    fn zone(&mut self) -> Parsed<usize> {
        let Some(Kind::Zone(name)) = self.peek() else {
            return Err(self.unexpected("a zone in quotes, such as \"pit\""));
        };
        let names = || self.names.zones.iter().map(|zone| &*zone.id);
        let Some(zone) = names().position(|id| id == name) else {
            let hint = crate::site::suggestion(name, names());
            return self.fail(self.span(), format!("no zone is called \"{name}\"{hint}"));
        };
        self.at += 1;
        Ok(zone)
    }

    fn lasting(&mut self) -> Parsed<Option<Duration>> {
        if !self.take(Kind::Word("for")) {
            return Ok(None);
        }
        let span = self.span();
        let Some(Kind::Number(value)) = self.peek() else {
            return Err(self.unexpected("a number of seconds or minutes"));
        };
        self.at += 1;
        let unit = match self.peek() {
            Some(Kind::Word("s")) => 1.0,
            Some(Kind::Word("min")) => 60.0,
            _ => return Err(self.unexpected("'s' or 'min'")),
        };
        self.at += 1;
        if value * unit > LONGEST_S {
            return self.fail(span, "more than an hour".to_owned());
        }
        Ok(Some(Duration::from_secs_f32(value * unit)))
    }
}
