//! From tokens to the syntax tree, by the grammar of the language.
//!
//! ```text
//! condition  = term { "or" term }
//! term       = factor { "and" factor }
//! factor     = [ "not" ] ( "(" condition ")" | value [ comparison value ] )
//! value      = nil | bytes | text | bool | enum | map | list | math
//! math       = addend { ( "+" | "-" ) addend }
//! addend     = operand { ( "*" | "/" ) operand }
//! operand    = [ "+" | "-" ] ( number | converter | path | "(" math ")" )
//! converter  = name "(" [ argument { "," argument } ] ")" { key }
//! path       = word { key } { "." word { key } }
//! key        = "[" ( text | int | math ) "]"
//! quantified = word "(" word "," condition ")"          only in conditions on traces
//! ```
//!
//! One token tells which way to go on, so nothing is read twice: a `(` at the start of a factor
//! knows from the lexer what follows its `)`.

use winnow::{
    Parser,
    combinator::{delimited, opt, preceded, repeat, separated},
    error::{EmptyError, ErrMode},
    stream::{Stateful, TokenSlice},
    token::any,
};

use crate::{
    limits::{DEPTH_MAX, SOURCE_MAX},
    problem::{Problems, Span},
    syntax::{
        lexer,
        token::{Comparison, Kind, Token},
        tree::{
            ArgumentTree, CallTree, ConditionTree, Operator, PathTree, QuantifiedTree, SegmentTree,
            ValueKind, ValueTree,
        },
    },
};

type Input<'t> = Stateful<TokenSlice<'t, Token>, State<'t>>;
type Fail = ErrMode<EmptyError>;

/// What is known besides the tokens that are left.
#[derive(Debug)]
struct State<'t> {
    source: &'t str,
    depth: usize,
    /// The furthest place at which something else was expected, and what.
    failed_at: usize,
    expected: Vec<&'static str>,
    /// Whether the source was nested too deep at the place.
    too_deep: Option<Span>,
    /// Whether `any(span, …)` may stand here.
    quantifiers: bool,
}

/// The syntax tree of the source; `None` when it is wrong, which `problems` tells.
pub(crate) fn parse(problems: &mut Problems<'_>, quantifiers: bool) -> Option<ConditionTree> {
    let source = problems.source();
    if source.len() > SOURCE_MAX {
        let message =
            format!("the condition has `{}` bytes, at most `{SOURCE_MAX}` are read", source.len());
        problems.add_with(Span::default(), message, Some("divide it into several".to_owned()));
        return None;
    }
    let tokens = lexer::tokens(problems);
    if !problems.is_empty() {
        return None;
    }
    let state =
        State { source, depth: 0, failed_at: 0, expected: Vec::new(), too_deep: None, quantifiers };
    let mut input = Input { input: TokenSlice::new(&tokens), state };
    let parsed = condition(&mut input);
    if let Ok(tree) = parsed
        && input.input.is_empty()
    {
        return Some(tree);
    }
    if input.state.expected.is_empty() {
        let at = here(&input);
        input.state.expect(at, "`and`, `or` or the end");
    }
    report(&input.state, &tokens, problems);
    None
}

/// Adds the problem that the parser could not get past.
fn report(state: &State<'_>, tokens: &[Token], problems: &mut Problems<'_>) {
    if let Some(span) = state.too_deep {
        let message = format!("the condition is nested deeper than `{DEPTH_MAX}`");
        problems.add(span, message);
        return;
    }
    let at = state.failed_at;
    let end = Span { start: state.source.len(), end: state.source.len() };
    let found = tokens.iter().find(|token| token.span.start >= at);
    let span = found.map_or(end, |token| token.span);
    let what = match state.source.get(span.start..span.end) {
        Some(text) if !text.is_empty() => format!("`{text}`"),
        _ => "the end".to_owned(),
    };
    let mut expected = state.expected.clone();
    expected.sort_unstable();
    expected.dedup();
    let message = format!("{what} does not fit here");
    let hint = match found.map(|token| token.kind) {
        Some(Kind::Arrow) => "functions of the kind `(x) => …` are not supported".to_owned(),
        _ => format!("expected {}", expected.join(", or ")),
    };
    problems.add_with(span, message, Some(hint));
}

impl State<'_> {
    fn expect(&mut self, at: usize, what: &'static str) {
        if at > self.failed_at {
            self.expected.clear();
            self.failed_at = at;
        }
        if at == self.failed_at {
            self.expected.push(what);
        }
    }

    fn text(&self, span: Span) -> &str {
        self.source.get(span.start..span.end).unwrap_or_default()
    }
}

/// Where the next token starts.
fn here(input: &Input<'_>) -> usize {
    input.input.first().map_or(input.state.source.len(), |token| token.span.start)
}

/// The kinds of the next tokens.
fn ahead(input: &Input<'_>, distance: usize) -> Option<Kind> {
    input.input.get(distance).map(|token| token.kind)
}

/// One token of the kind that `is` tells; `what` it is called when it is missing.
fn token<'t>(is: impl Fn(Kind) -> bool, what: &'static str) -> impl Parser<Input<'t>, Token, Fail> {
    move |input: &mut Input<'t>| {
        let at = here(input);
        any.verify(|token: &&Token| is(token.kind))
            .map(|token: &Token| *token)
            .parse_next(input)
            .inspect_err(|_: &Fail| input.state.expect(at, what))
    }
}

fn one<'t>(kind: Kind, what: &'static str) -> impl Parser<Input<'t>, Token, Fail> {
    token(move |found| found == kind, what)
}

fn open<'t>(input: &mut Input<'t>) -> Result<Token, Fail> {
    token(|kind| matches!(kind, Kind::Open { .. }), "`(`").parse_next(input)
}

/// What `parser` reads, one level deeper.
fn deeper<'t, T>(mut parser: impl Parser<Input<'t>, T, Fail>) -> impl Parser<Input<'t>, T, Fail> {
    move |input: &mut Input<'t>| {
        if input.state.depth == DEPTH_MAX {
            let start = here(input);
            input.state.too_deep = Some(Span { start, end: start });
            return Err(ErrMode::Cut(EmptyError));
        }
        input.state.depth += 1;
        let parsed = parser.parse_next(input);
        input.state.depth -= 1;
        parsed
    }
}

fn condition(input: &mut Input<'_>) -> Result<ConditionTree, Fail> {
    let parts: Vec<_> = separated(1.., term, one(Kind::Or, "`or`")).parse_next(input)?;
    Ok(joined(parts, ConditionTree::Or))
}

fn term(input: &mut Input<'_>) -> Result<ConditionTree, Fail> {
    let parts: Vec<_> = separated(1.., factor, one(Kind::And, "`and`")).parse_next(input)?;
    Ok(joined(parts, ConditionTree::And))
}

/// The only one of `parts`, or all of them joined.
fn joined(
    mut parts: Vec<ConditionTree>,
    join: fn(Vec<ConditionTree>) -> ConditionTree,
) -> ConditionTree {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn factor(input: &mut Input<'_>) -> Result<ConditionTree, Fail> {
    let not = opt(one(Kind::Not, "`not`")).parse_next(input)?;
    let inner = if ahead(input, 0) == Some(Kind::Open { value: false }) {
        delimited(open, deeper(condition), one(Kind::Close, "`)`")).parse_next(input)?
    } else {
        let left = value(input)?;
        let comparison = token(|kind| matches!(kind, Kind::Compare(_)), "a comparison");
        match opt((comparison, value)).parse_next(input)? {
            Some((token, right)) => {
                let comparison = match token.kind {
                    Kind::Compare(comparison) => comparison,
                    _ => Comparison::Equal,
                };
                ConditionTree::Compare { comparison, left, right }
            }
            None => ConditionTree::Bare(left),
        }
    };
    Ok(if not.is_some() { ConditionTree::Not(Box::new(inner)) } else { inner })
}

fn value(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let literal: fn(&str) -> ValueKind = match (ahead(input, 0), ahead(input, 1)) {
        (Some(Kind::Nil), _) => |_| ValueKind::Nil,
        (Some(Kind::True), _) => |_| ValueKind::Bool(true),
        (Some(Kind::False), _) => |_| ValueKind::Bool(false),
        (Some(Kind::Bytes), _) => |text| ValueKind::Bytes(lexer::bytes(text).unwrap_or_default()),
        (Some(Kind::Text), _) => |text| ValueKind::Text(lexer::unescape(text).unwrap_or_default()),
        (Some(Kind::Upper), next) if !is_name_or_open(next) => |_| ValueKind::Enum,
        (Some(Kind::OpenBrace), _) => return deeper(map).parse_next(input),
        (Some(Kind::OpenBracket), _) => return deeper(list).parse_next(input),
        _ => return math(input),
    };
    let token = token(|_| true, "a value").parse_next(input)?;
    Ok(ValueTree { span: token.span, kind: literal(input.state.text(token.span)) })
}

const fn is_name_or_open(kind: Option<Kind>) -> bool {
    matches!(kind, Some(Kind::Lower | Kind::Upper | Kind::Open { .. }))
}

fn math(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let first = addend(input)?;
    let rest = operators(
        input,
        &[(Kind::Plus, Operator::Add), (Kind::Minus, Operator::Subtract)],
        addend,
    )?;
    Ok(computed(first, rest))
}

fn addend(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let first = operand(input)?;
    let rest = operators(
        input,
        &[(Kind::Times, Operator::Multiply), (Kind::Divide, Operator::Divide)],
        operand,
    )?;
    Ok(computed(first, rest))
}

/// Operators of one precedence, each with the operand behind it.
fn operators<'t>(
    input: &mut Input<'t>,
    known: &[(Kind, Operator)],
    mut operand: impl FnMut(&mut Input<'t>) -> Result<ValueTree, Fail>,
) -> Result<Vec<(Operator, ValueTree)>, Fail> {
    let operator = |kind: Kind| known.iter().find(|(of, _)| *of == kind).map(|(_, which)| *which);
    let sign = token(|kind| operator(kind).is_some(), "an operator");
    let one = (sign.map(|token| operator(token.kind).unwrap_or(Operator::Add)), |input: &mut _| {
        operand(input)
    });
    repeat(0.., one).parse_next(input)
}

fn computed(first: ValueTree, rest: Vec<(Operator, ValueTree)>) -> ValueTree {
    let Some((_, last)) = rest.last() else { return first };
    let span = first.span.to(last.span);
    ValueTree { span, kind: ValueKind::Math(Box::new(first), rest) }
}

fn operand(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let signs = |kind| matches!(kind, Kind::Plus | Kind::Minus);
    let sign = opt(token(signs, "a sign")).parse_next(input)?;
    let value = match (ahead(input, 0), ahead(input, 1)) {
        (Some(Kind::Open { .. }), _) => {
            delimited(open, deeper(math), one(Kind::Close, "`)`")).parse_next(input)?
        }
        (Some(Kind::Int | Kind::Float), _) => number(input)?,
        (Some(Kind::Upper), _) => call(input)?,
        (Some(Kind::Lower), Some(Kind::Open { .. })) if input.state.quantifiers => {
            quantified(input)?
        }
        (Some(Kind::Lower), _) => path(input)?,
        _ => {
            let at = here(input);
            input.state.expect(at, "a value");
            return Err(ErrMode::Backtrack(EmptyError));
        }
    };
    let Some(sign) = sign else { return Ok(value) };
    let operator = if sign.kind == Kind::Minus { Operator::Subtract } else { Operator::Add };
    let span = sign.span.to(value.span);
    Ok(ValueTree { span, kind: ValueKind::Sign(operator, Box::new(value)) })
}

fn number(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let is_number = |kind| matches!(kind, Kind::Int | Kind::Float);
    let token = token(is_number, "a number").parse_next(input)?;
    let text = input.state.text(token.span);
    let kind = if token.kind == Kind::Int {
        ValueKind::Int(lexer::int(text).unwrap_or_default())
    } else {
        ValueKind::Float(lexer::float(text))
    };
    Ok(ValueTree { span: token.span, kind })
}

/// A name of pieces that stand without a space between them.
fn name(input: &mut Input<'_>) -> Result<Span, Fail> {
    let mut span = one(Kind::Upper, "a name").parse_next(input)?.span;
    while let Some(next) = input.input.first()
        && matches!(next.kind, Kind::Upper | Kind::Lower)
        && next.span.start == span.end
    {
        span = span.to(token(|_| true, "a name").parse_next(input)?.span);
    }
    Ok(span)
}

fn call(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let name_span = name(input)?;
    open(input)?;
    let comma = || one(Kind::Comma, "`,`");
    let arguments = deeper(separated(0.., argument, comma())).parse_next(input)?;
    let close = one(Kind::Close, "`)`").parse_next(input)?;
    let keys: Vec<ValueTree> = repeat(0.., key).parse_next(input)?;
    let end = keys.last().map_or(close.span, |key: &ValueTree| key.span);
    let name = input.state.text(name_span).to_owned();
    let call = CallTree { name, name_span, arguments, keys };
    Ok(ValueTree { span: name_span.to(end), kind: ValueKind::Call(call) })
}

fn argument(input: &mut Input<'_>) -> Result<ArgumentTree, Fail> {
    let named = (ahead(input, 0), ahead(input, 1)) == (Some(Kind::Lower), Some(Kind::Equals));
    let name = if named {
        let name = word(input)?;
        one(Kind::Equals, "`=`").parse_next(input)?;
        Some(name)
    } else {
        None
    };
    Ok(ArgumentTree { name, value: value(input)? })
}

fn word(input: &mut Input<'_>) -> Result<(String, Span), Fail> {
    let token = one(Kind::Lower, "a name in lower case").parse_next(input)?;
    Ok((input.state.text(token.span).to_owned(), token.span))
}

fn path(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let start = here(input);
    let dot = one(Kind::Dot, "`.`");
    let parts: Vec<(SegmentTree, usize)> = separated(1.., segment, dot).parse_next(input)?;
    let end = parts.last().map_or(start, |(_, end)| *end);
    let segments = parts.into_iter().map(|(segment, _)| segment).collect();
    let kind = ValueKind::Path(PathTree { segments });
    Ok(ValueTree { span: Span { start, end }, kind })
}

/// A segment of a path, and where it ends.
fn segment(input: &mut Input<'_>) -> Result<(SegmentTree, usize), Fail> {
    let (name, span) = word(input)?;
    let keys: Vec<ValueTree> = repeat(0.., key).parse_next(input)?;
    let end = keys.last().map_or(span.end, |key| key.span.end);
    Ok((SegmentTree { name, keys }, end))
}

/// A key in brackets, whose span has the brackets.
fn key(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let open = one(Kind::OpenBracket, "`[`").parse_next(input)?;
    let key = match ahead(input, 0) {
        Some(Kind::Text) => value(input)?,
        Some(Kind::Int) => number(input)?,
        _ => deeper(math).parse_next(input)?,
    };
    let close = one(Kind::CloseBracket, "`]`").parse_next(input)?;
    Ok(ValueTree { span: open.span.to(close.span), kind: key.kind })
}

fn list(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let open = one(Kind::OpenBracket, "`[`").parse_next(input)?;
    let elements = separated(0.., value, one(Kind::Comma, "`,`")).parse_next(input)?;
    let close = one(Kind::CloseBracket, "`]`").parse_next(input)?;
    Ok(ValueTree { span: open.span.to(close.span), kind: ValueKind::List(elements) })
}

fn map(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let open = one(Kind::OpenBrace, "`{`").parse_next(input)?;
    let entries: Vec<(String, ValueTree)> = repeat(0.., entry).parse_next(input)?;
    let close = one(Kind::CloseBrace, "`}`").parse_next(input)?;
    Ok(ValueTree { span: open.span.to(close.span), kind: ValueKind::Map(entries) })
}

fn entry(input: &mut Input<'_>) -> Result<(String, ValueTree), Fail> {
    let key = one(Kind::Text, "a text").parse_next(input)?;
    let key = lexer::unescape(input.state.text(key.span)).unwrap_or_default();
    let value = preceded(one(Kind::Colon, "`:`"), value).parse_next(input)?;
    opt(one(Kind::Comma, "`,`")).parse_next(input)?;
    Ok((key, value))
}

fn quantified(input: &mut Input<'_>) -> Result<ValueTree, Fail> {
    let (name, name_span) = word(input)?;
    open(input)?;
    let (context, context_span) = word(input)?;
    one(Kind::Comma, "`,`").parse_next(input)?;
    let start = here(input);
    input.state.quantifiers = false;
    let condition = deeper(condition).parse_next(input);
    input.state.quantifiers = true;
    let condition = condition?;
    let text = input.state.source.get(start..here(input)).unwrap_or_default();
    let condition_span = Span { start, end: start + text.trim_end().len() };
    let close = one(Kind::Close, "`)`").parse_next(input)?;
    let inner =
        QuantifiedTree { name, name_span, context, context_span, condition, condition_span };
    let kind = ValueKind::Quantified(Box::new(inner));
    Ok(ValueTree { span: name_span.to(close.span), kind })
}
