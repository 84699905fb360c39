//! Runs a program on one piece after the other.

use arrow::buffer::BooleanBuffer;

use super::cells::{Cells, Constant, Validity, combine};
use super::{Operation, PIECE, Program, compare, elementwise};
use crate::kernels::Bits;

/// The values of an input over the cells of a block, flat.
#[derive(Debug, Clone, Copy)]
pub enum SeriesValues<'a> {
    /// Single precision.
    Float32(&'a [f32]),
    /// Double precision.
    Float64(&'a [f64]),
    /// Integers.
    Int64(&'a [i64]),
    /// Truth values.
    Boolean(&'a BooleanBuffer),
}

/// What an input reads: cell `i` of the block has value `(i / stride) % length`.
///
/// A variable on all axes has stride 1 and as many values as the block has cells; the coordinates of
/// the fastest axis have stride 1, those of the next one the length of the fastest as their stride.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// The values; `None` where all are missing.
    pub values: Option<SeriesValues<'a>>,
    /// Which of them are valid; `None` where all are.
    pub valid: Option<&'a BooleanBuffer>,
    /// Cells that share a value before the next one follows.
    pub stride: usize,
    /// Number of values.
    pub length: usize,
}

/// The registers of a program and the piece that they hold.
#[derive(Debug)]
pub struct Machine {
    program: Program,
    cells: Vec<Cells>,
    valid: Vec<Validity>,
    /// Cells of the piece.
    length: usize,
}

impl Machine {
    /// A machine for `program`.
    pub fn new(program: Program) -> Self {
        let steps = program.steps().iter();
        let mut machine = Self {
            cells: steps
                .clone()
                .map(|step| Cells::new(step.cell_type))
                .collect(),
            valid: steps.map(|_| Validity::new()).collect(),
            length: 0,
            program,
        };
        for (number, step) in machine.program.steps().iter().enumerate() {
            if let Operation::Constant(constant) = &step.operation {
                let valid = fill(&mut machine.cells[number], *constant);
                machine.valid[number].fill(valid);
            }
        }
        machine
    }

    /// Loads the cells of rows into input `number`: `length` cells of the block from each of `starts`.
    /// All inputs are loaded with the same rows, at most [`PIECE`] cells, before the program runs.
    pub fn load(&mut self, number: usize, series: &Series<'_>, starts: &[usize], length: usize) {
        self.length = starts.len() * length;
        let valid = &mut self.valid[number];
        let Some(values) = &series.values else {
            valid.fill(false);
            return;
        };
        macro_rules! copy {
            ($from:expr, $to:expr) => {{
                let mut at = 0;
                for start in starts {
                    copy_row($from, series, *start, &mut $to[at..at + length]);
                    at += length;
                }
            }};
        }
        match (values, &mut self.cells[number]) {
            (SeriesValues::Float32(from), Cells::Float32(to)) => copy!(from, to),
            (SeriesValues::Float64(from), Cells::Float64(to)) => copy!(from, to),
            (SeriesValues::Int64(from), Cells::Int64(to)) => copy!(from, to),
            (SeriesValues::Boolean(from), Cells::Boolean(to)) => {
                copy_bits(from, series, starts, length, to);
            }
            // Types are settled when the program is made; another one has no value here.
            _ => {
                valid.fill(false);
                return;
            }
        }
        valid.all = series.valid.is_none();
        if let Some(bits) = series.valid {
            copy_bits(bits, series, starts, length, &mut valid.bits);
        }
    }

    /// Does all steps on the cells that were loaded; `length` of them, where no input had to be.
    pub fn run(&mut self, length: usize) {
        self.length = length;
        for number in 0..self.program.steps().len() {
            self.step(number);
        }
    }

    /// The result of step `number`.
    pub fn cells(&self, number: usize) -> &Cells {
        &self.cells[number]
    }

    /// The valid cells of step `number`; `None` where all are.
    pub fn valid(&self, number: usize) -> Option<Bits<'_>> {
        let valid = &self.valid[number];
        (!valid.all).then(|| Bits::of_bytes(&valid.bits))
    }

    /// Leaves the bits of the cells where truth value `number` is true in `bits`.
    pub fn truths(&self, number: usize, bits: &mut [u8]) {
        let bytes = self.length.div_ceil(8);
        let Cells::Boolean(cells) = &self.cells[number] else {
            bits.fill(0);
            return;
        };
        match self.valid[number].all {
            true => bits[..bytes].copy_from_slice(&cells[..bytes]),
            false => combine(cells, &self.valid[number].bits, bits, bytes, |a, b| a & b),
        }
    }

    /// Leaves in `bits` the cells where all of `values` are valid and all of `conditions` true. Returns
    /// whether that can be fewer than all of them; `bits` mean nothing otherwise.
    pub fn keep(
        &self,
        values: &[usize],
        conditions: impl Iterator<Item = usize>,
        bits: &mut [u8; PIECE / 8],
    ) -> bool {
        let bytes = self.length.div_ceil(8);
        let mut is_first = true;
        let mut and = |more: &[u8]| {
            for (bits, more) in bits[..bytes].iter_mut().zip(&more[..bytes]) {
                *bits = if is_first { *more } else { *bits & more };
            }
            is_first = false;
        };
        for number in values {
            if !self.valid[*number].all {
                and(&self.valid[*number].bits);
            }
        }
        for number in conditions {
            if let Cells::Boolean(truths) = &self.cells[number] {
                and(truths);
            }
            if !self.valid[number].all {
                and(&self.valid[number].bits);
            }
        }
        !is_first
    }

    fn step(&mut self, number: usize) {
        // Whole words of bits; what lies beyond the piece is computed and never read.
        let length = self.length.next_multiple_of(64).min(PIECE);
        let bytes = length / 8;
        let (cells, rest) = self.cells.split_at_mut(number);
        let (validity, rest_valid) = self.valid.split_at_mut(number);
        let (Some(out), Some(valid)) = (rest.first_mut(), rest_valid.first_mut()) else {
            return;
        };
        match self.program.steps()[number].operation {
            Operation::Input | Operation::Constant(_) => {}
            Operation::Cast(of) => {
                cast(&cells[of], out, length);
                valid.copy(&validity[of], bytes);
            }
            Operation::Arithmetic(operator, a, b) => {
                macro_rules! apply {
                    ($a:expr, $b:expr, $out:expr) => {
                        elementwise::arithmetic(
                            operator,
                            &$a[..length],
                            &$b[..length],
                            &mut $out[..length],
                        )
                    };
                }
                match (&cells[a], &cells[b], out) {
                    (Cells::Float32(a), Cells::Float32(b), Cells::Float32(out)) => {
                        apply!(a, b, out);
                    }
                    (Cells::Float64(a), Cells::Float64(b), Cells::Float64(out)) => {
                        apply!(a, b, out);
                    }
                    (Cells::Int64(a), Cells::Int64(b), Cells::Int64(out)) => apply!(a, b, out),
                    _ => {}
                }
                valid.both(&validity[a], &validity[b], bytes);
            }
            Operation::Function(function, of) => {
                match (&cells[of], out) {
                    (Cells::Float32(of), Cells::Float32(out)) => {
                        elementwise::single_function(function, &of[..length], &mut out[..length]);
                    }
                    (Cells::Float64(of), Cells::Float64(out)) => {
                        elementwise::double_function(function, &of[..length], &mut out[..length]);
                    }
                    _ => {}
                }
                valid.copy(&validity[of], bytes);
            }
            Operation::Least(a, b) => {
                choose(false, [a, b], cells, validity, out, length);
                valid.either(&validity[a], &validity[b], bytes);
            }
            Operation::Greatest(a, b) => {
                choose(true, [a, b], cells, validity, out, length);
                valid.either(&validity[a], &validity[b], bytes);
            }
            Operation::Compare(comparison, a, b) => {
                if let Cells::Boolean(out) = out {
                    macro_rules! apply {
                        ($a:expr, $b:expr) => {
                            compare::compare(
                                comparison,
                                &$a[..length],
                                &$b[..length],
                                &mut out[..bytes],
                            )
                        };
                    }
                    match (&cells[a], &cells[b]) {
                        (Cells::Float32(a), Cells::Float32(b)) => apply!(a, b),
                        (Cells::Float64(a), Cells::Float64(b)) => apply!(a, b),
                        (Cells::Int64(a), Cells::Int64(b)) => apply!(a, b),
                        _ => {}
                    }
                }
                valid.both(&validity[a], &validity[b], bytes);
            }
            Operation::And(a, b) => {
                connect(
                    [&cells[a], &cells[b]],
                    [&validity[a], &validity[b]],
                    out,
                    valid,
                    bytes,
                    true,
                );
            }
            Operation::Or(a, b) => {
                connect(
                    [&cells[a], &cells[b]],
                    [&validity[a], &validity[b]],
                    out,
                    valid,
                    bytes,
                    false,
                );
            }
            Operation::Not(of) => {
                if let (Cells::Boolean(of), Cells::Boolean(out)) = (&cells[of], out) {
                    combine(of, of, out, bytes, |bits, _| !bits);
                }
                valid.copy(&validity[of], bytes);
            }
            Operation::IsNull(of) => {
                if let Cells::Boolean(out) = out {
                    for (byte, out) in out[..bytes].iter_mut().enumerate() {
                        *out = !validity[of].byte(byte);
                    }
                }
                valid.all = true;
            }
            Operation::Select {
                when,
                then,
                otherwise,
            } => {
                select(when, then, otherwise, cells, validity, out, valid, length);
            }
        }
    }
}

/// Fills a register; returns whether the constant has a value.
fn fill(cells: &mut Cells, constant: Constant) -> bool {
    match (cells, constant) {
        (Cells::Float32(cells), Constant::Float32(Some(value))) => cells.fill(value),
        (Cells::Float64(cells), Constant::Float64(Some(value))) => cells.fill(value),
        (Cells::Int64(cells), Constant::Int64(Some(value))) => cells.fill(value),
        (Cells::Boolean(cells), Constant::Boolean(Some(value))) => {
            cells.fill(if value { 0xff } else { 0 });
        }
        _ => return false,
    }
    true
}

/// Copies the values of the cells from `start` on.
fn copy_row<T: Copy>(from: &[T], series: &Series<'_>, start: usize, to: &mut [T]) {
    let Series { stride, length, .. } = *series;
    let mut cell = start;
    let mut rest = to;
    while !rest.is_empty() {
        let value = (cell / stride) % length;
        let run = match stride {
            1 => length - value,
            _ => stride - cell % stride,
        };
        let (here, after) = rest.split_at_mut(run.min(rest.len()));
        match stride {
            1 => here.copy_from_slice(&from[value..value + here.len()]),
            _ => here.fill(from[value]),
        }
        cell += here.len();
        rest = after;
    }
}

/// Copies the bits of the cells of rows, one row behind the other.
fn copy_bits(
    from: &BooleanBuffer,
    series: &Series<'_>,
    starts: &[usize],
    length: usize,
    to: &mut [u8],
) {
    let mut writer = BitWriter {
        to,
        byte: 0,
        held: 0,
        count: 0,
    };
    for start in starts {
        let mut cell = *start;
        let end = start + length;
        while cell < end {
            let value = (cell / series.stride) % series.length;
            if series.stride == 1 {
                let run = (series.length - value).min(end - cell);
                writer.copy(from, value, run);
                cell += run;
            } else {
                let run = (series.stride - cell % series.stride).min(end - cell);
                writer.repeat(from.value(value), run);
                cell += run;
            }
        }
    }
    writer.finish();
}

/// Appends bits, sixteen at a time.
struct BitWriter<'a> {
    to: &'a mut [u8],
    byte: usize,
    held: u64,
    count: usize,
}

impl BitWriter<'_> {
    #[inline(always)]
    fn push(&mut self, bits: u32, count: usize) {
        self.held |= u64::from(bits) << self.count;
        self.count += count;
        while self.count >= 8 {
            if let Some(byte) = self.to.get_mut(self.byte) {
                *byte = self.held as u8;
            }
            self.byte += 1;
            self.held >>= 8;
            self.count -= 8;
        }
    }

    fn copy(&mut self, from: &BooleanBuffer, first: usize, count: usize) {
        let bits = Bits::new(from);
        let mut done = 0;
        // Whole words at a time, as long as nothing waits for the rest of its byte.
        while self.count == 0
            && count - done >= 64
            && let Some(word) = bits.sixty_four(first + done)
            && let Some(eight) = self.to.get_mut(self.byte..self.byte + 8)
        {
            eight.copy_from_slice(&word.to_le_bytes());
            self.byte += 8;
            done += 64;
        }
        while done < count {
            let width = (count - done).min(16);
            self.push(bits.sixteen(first + done) & ((1 << width) - 1), width);
            done += width;
        }
    }

    fn repeat(&mut self, bit: bool, count: usize) {
        let mut done = 0;
        while done < count {
            let width = (count - done).min(16);
            let bits = if bit { (1 << width) - 1 } else { 0 };
            self.push(bits, width);
            done += width;
        }
    }

    fn finish(self) {
        if self.count > 0
            && let Some(byte) = self.to.get_mut(self.byte)
        {
            *byte = self.held as u8;
        }
    }
}

fn cast(of: &Cells, out: &mut Cells, length: usize) {
    match (of, out) {
        (Cells::Float32(of), Cells::Float64(out)) => {
            elementwise::to_double(&of[..length], &mut out[..length]);
        }
        (Cells::Float64(of), Cells::Float32(out)) => {
            elementwise::to_single(&of[..length], &mut out[..length]);
        }
        (Cells::Int64(of), Cells::Float64(out)) => {
            elementwise::integer_to_double(&of[..length], &mut out[..length]);
        }
        (Cells::Int64(of), Cells::Float32(out)) => {
            elementwise::integer_to_single(&of[..length], &mut out[..length]);
        }
        _ => {}
    }
}

/// The larger or smaller of two values; the valid one where the other is NULL.
fn choose(
    larger: bool,
    [a, b]: [usize; 2],
    cells: &[Cells],
    validity: &[Validity],
    out: &mut Cells,
    length: usize,
) {
    let all = [0xff; PIECE / 8];
    let bits = [a, b].map(|of| match validity[of].all {
        true => all.as_slice(),
        false => &*validity[of].bits,
    });
    let are_valid = validity[a].all && validity[b].all;
    macro_rules! apply {
        ($a:expr, $b:expr, $out:expr) => {{
            let (a, b, out) = (&$a[..length], &$b[..length], &mut $out[..length]);
            match are_valid {
                true => elementwise::choose(larger, a, b, out),
                false => elementwise::choose_valid(larger, a, b, bits[0], bits[1], out),
            }
        }};
    }
    match (&cells[a], &cells[b], out) {
        (Cells::Float32(left), Cells::Float32(right), Cells::Float32(out)) => {
            apply!(left, right, out);
        }
        (Cells::Float64(left), Cells::Float64(right), Cells::Float64(out)) => {
            apply!(left, right, out);
        }
        (Cells::Int64(left), Cells::Int64(right), Cells::Int64(out)) => {
            apply!(left, right, out);
        }
        _ => {}
    }
}

/// AND where `all`, OR otherwise: decided by one operand whatever the other is, NULL when neither
/// decides and one is NULL.
fn connect(
    cells: [&Cells; 2],
    validity: [&Validity; 2],
    out: &mut Cells,
    valid: &mut Validity,
    bytes: usize,
    all: bool,
) {
    let ([Cells::Boolean(a), Cells::Boolean(b)], Cells::Boolean(out)) = (cells, out) else {
        return;
    };
    if all {
        combine(a, b, out, bytes, |a, b| a & b);
    } else {
        combine(a, b, out, bytes, |a, b| a | b);
    }
    valid.all = validity[0].all && validity[1].all;
    if valid.all {
        return;
    }
    for byte in 0..bytes {
        let (known_a, known_b) = (validity[0].byte(byte), validity[1].byte(byte));
        // A known operand that decides: false for AND, true for OR.
        let (decides_a, decides_b) = match all {
            true => (known_a & !a[byte], known_b & !b[byte]),
            false => (known_a & a[byte], known_b & b[byte]),
        };
        let decided = decides_a | decides_b;
        valid.bits[byte] = (known_a & known_b) | decided;
        out[byte] = match all {
            true => out[byte] & !decided,
            false => out[byte] | decided,
        };
    }
}

#[allow(clippy::too_many_arguments)]
fn select(
    when: usize,
    then: usize,
    otherwise: Option<usize>,
    cells: &[Cells],
    validity: &[Validity],
    out: &mut Cells,
    valid: &mut Validity,
    length: usize,
) {
    let bytes = length / 8;
    let Cells::Boolean(conditions) = &cells[when] else {
        return;
    };
    // NULL is not true.
    let mut truths = [0u8; PIECE / 8];
    for (byte, truth) in truths[..bytes].iter_mut().enumerate() {
        *truth = conditions[byte] & validity[when].byte(byte);
    }
    let other = otherwise.unwrap_or(then);
    match (&cells[then], &cells[other], out) {
        (Cells::Float32(then), Cells::Float32(other), Cells::Float32(out)) => {
            elementwise::select(
                &truths,
                &then[..length],
                &other[..length],
                &mut out[..length],
            );
        }
        (Cells::Float64(then), Cells::Float64(other), Cells::Float64(out)) => {
            elementwise::select(
                &truths,
                &then[..length],
                &other[..length],
                &mut out[..length],
            );
        }
        (Cells::Int64(then), Cells::Int64(other), Cells::Int64(out)) => {
            elementwise::select(
                &truths,
                &then[..length],
                &other[..length],
                &mut out[..length],
            );
        }
        (Cells::Boolean(then), Cells::Boolean(other), Cells::Boolean(out)) => {
            for byte in 0..bytes {
                out[byte] = (truths[byte] & then[byte]) | (!truths[byte] & other[byte]);
            }
        }
        _ => {}
    }
    valid.all = false;
    for (byte, truth) in truths[..bytes].iter().enumerate() {
        let elsewhere = otherwise.map_or(0, |other| validity[other].byte(byte));
        valid.bits[byte] = (truth & validity[then].byte(byte)) | (!truth & elsewhere);
    }
    // An all-valid choice stays all valid, so that what follows need not look at bits.
    valid.all = otherwise.is_some_and(|other| validity[then].all && validity[other].all);
}
