//! What a reader can take in: files in one sitting, functions at a glance, lines without
//! scrolling.

use std::{collections::BTreeSet, path::PathBuf};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::visit::Visit;

use super::{files, read, relative, root, sources};

/// Lines that nine files in ten stay below.
const FILE_LINES: usize = 400;

/// Lines of a function, from `fn` to its last brace: a screen.
const FUNCTION_LINES: usize = 70;

/// Columns of code, which the formatter keeps to wherever it can.
const CODE_COLUMNS: usize = 100;

/// Columns of comments, which no formatter breaks.
const COMMENT_COLUMNS: usize = 106;

/// Functions that are longer, and are to become shorter or to stay for the reason beside them.
const LONG_FUNCTIONS: [(&str, &str); 12] = [
    // Scenarios: what is done and what must follow, from the first to the last step.
    ("tests/whole/dead_letters.rs", "what_was_refused_is_listed_exported_and_replayed"),
    ("tests/whole/answers.rs", "what_an_answer_proves_goes_to_the_dead_letters_and_nothing_else"),
    ("tests/whole/outage.rs", "a_full_log_refuses_and_recovers"),
    ("tests/cluster/dead_letters.rs", "dead_letters_are_replayed_beside_the_cluster"),
    ("tests/cluster/damage.rs", "a_damaged_record_is_a_gap_of_one_record"),
    ("tests/cluster/leaderless.rs", "one_partition_without_a_leader_costs_its_own_spans_only"),
    ("libs/spanlog-kafka/src/tests/anew.rs", "a_start_is_told_that_its_topics_were_made_anew"),
    // A table of inputs.
    ("src/config/load/tests.rs", "keys_of_a_collector_are_known"),
    // One arm for each fault.
    ("sampler/src/shell/sampler/tests/sim.rs", "fault"),
    // To be divided.
    ("libs/spanlog-kafka/src/log.rs", "open"),
    ("sampler/src/shell/worker/run.rs", "work"),
    ("libs/spanlog/src/embedded/store/commit.rs", "append"),
];

/// The functions in a file: their names, and how many lines each has.
struct Functions(Vec<(String, usize)>);

impl Functions {
    fn of(file: &syn::File) -> Self {
        let mut functions = Self(Vec::new());
        functions.visit_file(file);
        functions
    }

    fn take(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let (first, last) = (signature.fn_token.span, body.brace_token.span.close());
        let lines = last.end().line - first.start().line + 1;
        self.0.push((signature.ident.to_string(), lines));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.take(&item.sig, &item.block);
        syn::visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.take(&item.sig, &item.block);
        syn::visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.take(&item.sig, body);
        }
        syn::visit::visit_trait_item_fn(self, item);
    }
}

/// The lines of `text` that are too wide, as `number: how wide`. Those with a text literal may be
/// as wide as it is, and attributes, tables and addresses in comments cannot be broken either.
fn wide_lines(text: &str) -> Vec<String> {
    let tokens: TokenStream = text.parse().expect("Rust");
    let mut literals = BTreeSet::new();
    lines_of_literals(tokens, &mut literals);
    let is_wide = |number: usize, line: &str| {
        let (columns, code) = (line.chars().count(), line.trim_start());
        if code.starts_with("//") {
            let whole = code.contains("! |") || code.contains("://");
            columns > COMMENT_COLUMNS && !whole
        } else {
            columns > CODE_COLUMNS && !literals.contains(&number) && !code.starts_with("#[")
        }
    };
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let wide = lines.filter(|(number, line)| is_wide(*number, line));
    wide.map(|(number, line)| format!("{number}: {} columns", line.chars().count())).collect()
}

/// Adds the lines that text literals stand on, or go through.
fn lines_of_literals(tokens: TokenStream, lines: &mut BTreeSet<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => lines_of_literals(group.stream(), lines),
            TokenTree::Literal(literal) if literal.to_string().contains('"') => {
                let span: Span = literal.span();
                lines.extend(span.start().line..=span.end().line);
            }
            _ => {}
        }
    }
}

#[test]
fn nine_files_in_ten_can_be_read_in_one_sitting() {
    let files = sources().into_iter().flat_map(|folder| files(&folder, "rs"));
    let mut lengths: Vec<(usize, PathBuf)> =
        files.map(|file| (read(&file).lines().count(), file)).collect();
    lengths.sort();
    let long: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > FILE_LINES).collect();
    assert!(
        long.len() * 10 <= lengths.len(),
        "{} of {} files have more than {FILE_LINES} lines: {long:#?}",
        long.len(),
        lengths.len()
    );
}

#[test]
fn functions_can_be_read_at_a_glance() {
    let (mut long, mut listed) = (Vec::new(), LONG_FUNCTIONS.to_vec());
    for file in files(root(), "rs") {
        let place = relative(&file, root());
        let parsed = syn::parse_file(&read(&file)).expect("Rust");
        for (name, lines) in Functions::of(&parsed).0 {
            if lines <= FUNCTION_LINES {
                continue;
            }
            match listed.iter().position(|one| *one == (place.as_str(), name.as_str())) {
                Some(at) => drop(listed.remove(at)),
                None => long.push(format!("{place}: {name} has {lines} lines")),
            }
        }
    }
    assert!(long.is_empty(), "more than {FUNCTION_LINES}:\n{}", long.join("\n"));
    assert!(listed.is_empty(), "to be taken out of LONG_FUNCTIONS: {listed:#?}");
}

#[test]
fn a_long_function_is_found() {
    let body = "    let _ = 1;\n".repeat(FUNCTION_LINES - 1);
    let text = format!(
        "fn a() {{\n{body}}}\nimpl A {{ fn b() {{ fn c() {{\n{body}\n}} }} }}\ntrait T {{ fn d(); }}"
    );
    let functions = Functions::of(&syn::parse_file(&text).expect("Rust"));
    let lengths: Vec<(&str, usize)> =
        functions.0.iter().map(|(name, lines)| (name.as_str(), *lines)).collect();
    let lines = FUNCTION_LINES + 2;
    assert_eq!(lengths, [("a", FUNCTION_LINES + 1), ("b", lines), ("c", lines)]);
}

#[test]
fn lines_need_no_scrolling() {
    let mut wide = Vec::new();
    for file in files(root(), "rs") {
        let place = relative(&file, root());
        wide.extend(wide_lines(&read(&file)).into_iter().map(|line| format!("{place}:{line}")));
    }
    assert!(wide.is_empty(), "too wide:\n{}", wide.join("\n"));
}

#[test]
fn a_wide_line_is_found() {
    let wide = "x".repeat(CODE_COLUMNS);
    let text = format!(
        "// {wide}xxxx\n//! | {wide}xx |\n// https://{wide}\nconst {wide}: () = ();\n\
         const A: &str = \"{wide}\n  {wide}\n\";\nconst B: u8 = 1; // {wide}\n#[doc(hidden)] // {wide}\nfn f() {{}}\n"
    );
    assert_eq!(wide_lines(&text), ["1: 107 columns", "4: 116 columns", "8: 120 columns"]);
}
