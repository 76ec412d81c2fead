//! Files have at most 400 lines of code, functions at most 70 and at most 5 parameters. Lines without code don't count.

use super::Finding;
use super::source::Source;

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
/// Tables of texts: translators work on one file per language, so its lines do not count.
const TEXTS: &str = "web/src/i18n/messages.";
/// Beside `self`.
const PARAMETERS_MAX: usize = 5;

pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| ["rs", "ts", "tsx", "mjs"].iter().any(|end| source.is(end)))
    {
        let lines = code_lines(&source.code);
        if lines > FILE_LINES_MAX && !source.path.starts_with(TEXTS) {
            findings.push(Finding::new(source, 1, format!("{lines} lines of code in a file")));
        }
        if source.is("rs") {
            functions(&source.code)
                .into_iter()
                .for_each(|function| check_function(source, &function, &mut findings));
        }
    }
    findings
}

fn check_function(source: &Source, function: &Function, findings: &mut Vec<Finding>) {
    let Function { name, line, lines, parameters } = function;
    if *lines > FUNCTION_LINES_MAX {
        findings.push(Finding::new(source, *line, format!("{lines} lines of code in `{name}`")));
    }
    if *parameters > PARAMETERS_MAX {
        findings.push(Finding::new(source, *line, format!("{parameters} parameters of `{name}`")));
    }
}

fn code_lines(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

#[derive(Debug, PartialEq)]
struct Function {
    name: String,
    line: usize,
    /// From the name to the closing brace.
    lines: usize,
    parameters: usize,
}

/// The `fn` items that have a body.
fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let is_word = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        let rest = &code[at + 3..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if is_word || name.is_empty() {
            continue;
        }
        let Some(open) = parameters_open(rest) else { continue };
        let Some(close) = closing(&rest[open..], '(', ')').map(|length| open + length) else { continue };
        let body = rest[close..].find(['{', ';']).map(|length| close + length);
        let Some(body) = body.filter(|body| rest[*body..].starts_with('{')) else { continue };
        let end = closing(&rest[body..], '{', '}').map_or(rest.len(), |length| body + length + 1);
        found.push(Function {
            name,
            line: code[..at].lines().count().max(1),
            lines: code_lines(&rest[..end]),
            parameters: count_parameters(&rest[open + 1..close]),
        });
    }
    found
}

/// Where the parameters begin: behind the generics, which may hold parentheses.
fn parameters_open(rest: &str) -> Option<usize> {
    let first = rest.find(['(', '<'])?;
    if rest[first..].starts_with('(') {
        return Some(first);
    }
    let mut depth = 0;
    let mut before = ' ';
    for (at, c) in rest[first..].char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return rest[first + at..].find('(').map(|length| first + at + length);
        }
        before = c;
    }
    None
}

/// How far the bracket that opens here reaches.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

fn count_parameters(text: &str) -> usize {
    let (mut depth, mut parameters, mut before) = (0_i32, vec![String::new()], ' ');
    for c in text.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if before != '-' && before != '=' => depth -= 1,
            _ => {}
        }
        before = c;
        if c == ',' && depth == 0 {
            parameters.push(String::new());
        } else if let Some(last) = parameters.last_mut() {
            last.push(c);
        }
    }
    let is_receiver = |text: &str| {
        let words = text.trim().trim_start_matches(['&', '\'']);
        words.split([' ', ':']).any(|word| word == "self")
    };
    parameters.iter().filter(|text| !text.trim().is_empty() && !is_receiver(text)).count()
}

#[test]
fn functions_are_found_with_their_sizes() {
    let code = "impl A {\n    fn a<T: Fn(u8) -> u8>(&self, a: (u8, u8), b: Vec<u8>) -> u8 {\n\n        1\n    }\n}\nfn b();\n";
    let expected = Function { name: "a".into(), line: 2, lines: 3, parameters: 2 };
    assert_eq!(functions(code), [expected]);
    assert_eq!(count_parameters("self: &Rc<Self>, f: impl Fn(u8, u8) -> Map<u8, u8>, c: u8,"), 2);
}
