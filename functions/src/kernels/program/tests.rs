//! Random programs against the same steps done cell by cell.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use arrow::buffer::BooleanBuffer;

use super::*;

/// A cell's value, as SQL sees it.
#[derive(Debug, Clone, Copy)]
enum Value {
    Float32(f32),
    Float64(f64),
    Int64(i64),
    Boolean(bool),
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        let bits = |value: &Self| match value {
            // Which NaN an operation leaves is up to the processor.
            Self::Float32(value) if value.is_nan() => (0, 1),
            Self::Float64(value) if value.is_nan() => (1, 1),
            Self::Float32(value) => (0, u64::from(value.to_bits())),
            Self::Float64(value) => (1, value.to_bits()),
            Self::Int64(value) => (2, *value as u64),
            Self::Boolean(value) => (3, u64::from(*value)),
        };
        bits(self) == bits(other)
    }
}

/// A small deterministic generator (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn float(&mut self) -> f64 {
        let special = [0.0, -0.0, 1.0, -1.5, f64::INFINITY, f64::NAN, 2.5, 3e8];
        match self.below(3) {
            0 => special[self.below(special.len())],
            _ => self.below(2000) as f64 / 16.0 - 60.0,
        }
    }
}

/// The values of one input: everything that a machine can load.
struct Stored {
    singles: Vec<f32>,
    doubles: Vec<f64>,
    integers: Vec<i64>,
    truths: BooleanBuffer,
    valid: Option<BooleanBuffer>,
    is_missing: bool,
    stride: usize,
    length: usize,
}

impl Stored {
    fn new(random: &mut Random, cells: usize) -> Self {
        let (stride, length) = match random.below(3) {
            0 => (1, cells),
            1 => (1, 1 + random.below(50)),
            _ => (1 + random.below(40), 1 + random.below(9)),
        };
        let bits = |random: &mut Random| -> BooleanBuffer {
            let whole: BooleanBuffer = (0..length + 5).map(|_| random.below(4) > 0).collect();
            whole.slice(5, length)
        };
        Self {
            singles: (0..length).map(|_| random.float() as f32).collect(),
            doubles: (0..length).map(|_| random.float()).collect(),
            integers: (0..length).map(|_| random.below(9) as i64 - 4).collect(),
            truths: bits(random),
            valid: (random.below(2) == 0).then(|| bits(random)),
            is_missing: random.below(12) == 0,
            stride,
            length,
        }
    }

    fn series(&self, cell_type: CellType) -> Series<'_> {
        let values = match cell_type {
            CellType::Float32 => SeriesValues::Float32(&self.singles),
            CellType::Float64 => SeriesValues::Float64(&self.doubles),
            CellType::Int64 => SeriesValues::Int64(&self.integers),
            CellType::Boolean => SeriesValues::Boolean(&self.truths),
        };
        Series {
            values: (!self.is_missing).then_some(values),
            valid: self.valid.as_ref(),
            stride: self.stride,
            length: self.length,
        }
    }

    fn value(&self, cell_type: CellType, cell: usize) -> Option<Value> {
        let at = (cell / self.stride) % self.length;
        let is_valid = self.valid.as_ref().is_none_or(|valid| valid.value(at));
        (is_valid && !self.is_missing).then(|| match cell_type {
            CellType::Float32 => Value::Float32(self.singles[at]),
            CellType::Float64 => Value::Float64(self.doubles[at]),
            CellType::Int64 => Value::Int64(self.integers[at]),
            CellType::Boolean => Value::Boolean(self.truths.value(at)),
        })
    }
}

const TYPES: [CellType; 4] = [
    CellType::Float32,
    CellType::Float64,
    CellType::Int64,
    CellType::Boolean,
];

fn random_program(random: &mut Random) -> Program {
    let mut program = Program::default();
    for cell_type in TYPES {
        program.add(Operation::Input, cell_type);
        program.add(Operation::Input, cell_type);
    }
    for _ in 0..random.below(25) {
        let steps = program.steps().len();
        let of_type = |program: &Program, random: &mut Random, cell_type: CellType| loop {
            let number = random.below(steps);
            if program.cell_type(number) == cell_type {
                break number;
            }
        };
        let number_type = TYPES[random.below(3)];
        let float_type = TYPES[random.below(2)];
        let pair = |program: &Program, random: &mut Random, cell_type: CellType| {
            [0, 1].map(|_| of_type(program, random, cell_type))
        };
        let (operation, cell_type) = match random.below(11) {
            0 => {
                let operators = [Arithmetic::Add, Arithmetic::Subtract, Arithmetic::Multiply];
                let [a, b] = pair(&program, random, number_type);
                let operator = operators[random.below(3)];
                (Operation::Arithmetic(operator, a, b), number_type)
            }
            1 => {
                let [a, b] = pair(&program, random, float_type);
                (Operation::Arithmetic(Arithmetic::Divide, a, b), float_type)
            }
            2 => {
                let functions = [
                    Function::Negative,
                    Function::Absolute,
                    Function::Floor,
                    Function::Ceiling,
                    Function::Radians,
                    Function::Cosine,
                    Function::Exponential,
                ];
                let function = functions[random.below(functions.len())];
                let of = of_type(&program, random, float_type);
                (Operation::Function(function, of), float_type)
            }
            3 => {
                let of = of_type(&program, random, number_type);
                (Operation::Cast(of), float_type)
            }
            4 => {
                let [a, b] = pair(&program, random, number_type);
                match random.below(2) {
                    0 => (Operation::Least(a, b), number_type),
                    _ => (Operation::Greatest(a, b), number_type),
                }
            }
            5 => {
                let comparisons = [
                    Comparison::Equal,
                    Comparison::NotEqual,
                    Comparison::Less,
                    Comparison::LessOrEqual,
                    Comparison::Greater,
                    Comparison::GreaterOrEqual,
                ];
                let [a, b] = pair(&program, random, number_type);
                let comparison = comparisons[random.below(comparisons.len())];
                (Operation::Compare(comparison, a, b), CellType::Boolean)
            }
            6 => {
                let [a, b] = pair(&program, random, CellType::Boolean);
                match random.below(2) {
                    0 => (Operation::And(a, b), CellType::Boolean),
                    _ => (Operation::Or(a, b), CellType::Boolean),
                }
            }
            7 => {
                let of = of_type(&program, random, CellType::Boolean);
                (Operation::Not(of), CellType::Boolean)
            }
            8 => (Operation::IsNull(random.below(steps)), CellType::Boolean),
            9 => {
                let constant = match float_type {
                    CellType::Float32 => {
                        let value = random.float() as f32;
                        Constant::Float32((random.below(4) > 0).then_some(value))
                    }
                    _ => Constant::Float64(Some(random.float())),
                };
                (Operation::Constant(constant), float_type)
            }
            _ => {
                let cell_type = TYPES[random.below(4)];
                let when = of_type(&program, random, CellType::Boolean);
                let [then, other] = pair(&program, random, cell_type);
                let otherwise = (random.below(2) == 0).then_some(other);
                let select = Operation::Select {
                    when,
                    then,
                    otherwise,
                };
                (select, cell_type)
            }
        };
        // A cast to the same type is no step.
        if matches!(operation, Operation::Cast(of) if program.cell_type(of) == cell_type) {
            continue;
        }
        program.add(operation, cell_type);
    }
    program
}

fn order(a: Value, b: Value) -> std::cmp::Ordering {
    match (a, b) {
        (Value::Float32(a), Value::Float32(b)) => a.total_cmp(&b),
        (Value::Float64(a), Value::Float64(b)) => a.total_cmp(&b),
        (Value::Int64(a), Value::Int64(b)) => a.cmp(&b),
        _ => panic!("{a:?} and {b:?} have no order"),
    }
}

fn one_zero(value: Value) -> Value {
    match value {
        Value::Float32(-0.0) => Value::Float32(0.0),
        Value::Float64(-0.0) => Value::Float64(0.0),
        other => other,
    }
}

fn truth(value: Option<Value>) -> Option<bool> {
    value.map(|value| match value {
        Value::Boolean(truth) => truth,
        other => panic!("{other:?} is no truth value"),
    })
}

/// One step on one cell, written for the eye.
fn evaluate(step: &Step, known: &[Option<Value>]) -> Option<Value> {
    let boolean = |truth: Option<bool>| truth.map(Value::Boolean);
    match step.operation {
        Operation::Input => panic!("inputs are known"),
        Operation::Constant(constant) => match constant {
            Constant::Float32(value) => value.map(Value::Float32),
            Constant::Float64(value) => value.map(Value::Float64),
            Constant::Int64(value) => value.map(Value::Int64),
            Constant::Boolean(value) => boolean(value),
        },
        Operation::Cast(of) => {
            let value = match known[of]? {
                Value::Float32(value) => f64::from(value),
                Value::Float64(value) => value,
                Value::Int64(value) if step.cell_type == CellType::Float32 => {
                    return Some(Value::Float32(value as f32));
                }
                Value::Int64(value) => value as f64,
                Value::Boolean(_) => panic!("no cast of truth values"),
            };
            Some(match step.cell_type {
                CellType::Float32 => Value::Float32(value as f32),
                _ => Value::Float64(value),
            })
        }
        Operation::Arithmetic(operator, a, b) => Some(match (known[a]?, known[b]?) {
            (Value::Float32(a), Value::Float32(b)) => Value::Float32(match operator {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide => a / b,
            }),
            (Value::Float64(a), Value::Float64(b)) => Value::Float64(match operator {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide => a / b,
            }),
            (Value::Int64(a), Value::Int64(b)) => Value::Int64(match operator {
                Arithmetic::Add => a.wrapping_add(b),
                Arithmetic::Subtract => a.wrapping_sub(b),
                Arithmetic::Multiply => a.wrapping_mul(b),
                Arithmetic::Divide => panic!("no division of integers"),
            }),
            other => panic!("{other:?}"),
        }),
        Operation::Function(function, of) => {
            macro_rules! apply {
                ($value:expr) => {
                    match function {
                        Function::Negative => -$value,
                        Function::Absolute => $value.abs(),
                        Function::Floor => $value.floor(),
                        Function::Ceiling => $value.ceil(),
                        Function::Radians => $value.to_radians(),
                        Function::Degrees => $value.to_degrees(),
                        Function::Sine => $value.sin(),
                        Function::Cosine => $value.cos(),
                        Function::Tangent => $value.tan(),
                        Function::Exponential => $value.exp(),
                    }
                };
            }
            Some(match known[of]? {
                Value::Float32(value) => Value::Float32(apply!(value)),
                Value::Float64(value) => Value::Float64(apply!(value)),
                other => panic!("{other:?} is no float"),
            })
        }
        Operation::Least(a, b) | Operation::Greatest(a, b) => match (known[a], known[b]) {
            (Some(a), Some(b)) => {
                let is_least = matches!(step.operation, Operation::Least(..));
                Some(if order(a, b).is_le() == is_least {
                    a
                } else {
                    b
                })
            }
            (a, b) => a.or(b),
        },
        Operation::Compare(comparison, a, b) => {
            let order = order(one_zero(known[a]?), one_zero(known[b]?));
            boolean(Some(match comparison {
                Comparison::Equal => order.is_eq(),
                Comparison::NotEqual => order.is_ne(),
                Comparison::Less => order.is_lt(),
                Comparison::LessOrEqual => order.is_le(),
                Comparison::Greater => order.is_gt(),
                Comparison::GreaterOrEqual => order.is_ge(),
            }))
        }
        Operation::And(a, b) => boolean(match (truth(known[a]), truth(known[b])) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }),
        Operation::Or(a, b) => boolean(match (truth(known[a]), truth(known[b])) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        }),
        Operation::Not(of) => boolean(truth(known[of]).map(|truth| !truth)),
        Operation::IsNull(of) => boolean(Some(known[of].is_none())),
        Operation::Select {
            when,
            then,
            otherwise,
        } => match truth(known[when]) {
            Some(true) => known[then],
            _ => known[otherwise?],
        },
    }
}

#[test]
fn programs_agree_with_steps_done_cell_by_cell() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for case in 0..400 {
        let program = random_program(&mut random);
        let cells = 1 + random.below(3 * PIECE);
        let inputs: Vec<Stored> = (0..8).map(|_| Stored::new(&mut random, cells)).collect();
        let length = 1 + random.below(cells.min(PIECE));
        let rows = 1 + random.below((PIECE / length).min(9));
        let starts: Vec<usize> = (0..rows)
            .map(|_| random.below(cells - length + 1))
            .collect();
        let mut machine = Machine::new(program.clone());
        for round in 0..2 {
            for (number, input) in inputs.iter().enumerate() {
                let series = input.series(program.cell_type(number));
                machine.load(number, &series, &starts, length);
            }
            machine.run(rows * length);
            for (row, start) in starts.iter().enumerate() {
                for cell in 0..length {
                    let mut known: Vec<Option<Value>> = Vec::new();
                    for (number, step) in program.steps().iter().enumerate() {
                        let value = match step.operation {
                            Operation::Input => inputs[number].value(step.cell_type, start + cell),
                            _ => evaluate(step, &known),
                        };
                        known.push(value);
                        let at = row * length + cell;
                        let is_valid = machine.valid(number).is_none_or(|bits| bits.is_set(at));
                        let found = is_valid.then(|| match machine.cells(number) {
                            Cells::Float32(cells) => Value::Float32(cells[at]),
                            Cells::Float64(cells) => Value::Float64(cells[at]),
                            Cells::Int64(cells) => Value::Int64(cells[at]),
                            Cells::Boolean(bits) => {
                                Value::Boolean(bits[at / 8] & (1 << (at % 8)) != 0)
                            }
                        });
                        assert_eq!(found, value, "case {case}.{round}, step {number}: {step:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn equal_steps_are_done_once() {
    let mut program = Program::default();
    let a = program.add(Operation::Input, CellType::Float64);
    let b = program.add(Operation::Input, CellType::Float64);
    assert_ne!(a, b);
    let sum = Operation::Arithmetic(Arithmetic::Add, a, b);
    let first = program.add(sum.clone(), CellType::Float64);
    assert_eq!(program.add(sum, CellType::Float64), first);
    let zero = |value| Operation::Constant(Constant::Float64(Some(value)));
    let positive = program.add(zero(0.0), CellType::Float64);
    assert_ne!(program.add(zero(-0.0), CellType::Float64), positive);
    let not_a_number = program.add(zero(f64::NAN), CellType::Float64);
    assert_eq!(program.add(zero(f64::NAN), CellType::Float64), not_a_number);
}

#[test]
fn truths_are_true_where_valid() {
    let mut program = Program::default();
    let input = program.add(Operation::Input, CellType::Boolean);
    let values = BooleanBuffer::from(vec![true, true, false, true]);
    let valid = BooleanBuffer::from(vec![true, false, true, true]);
    let mut machine = Machine::new(program);
    let series = Series {
        values: Some(SeriesValues::Boolean(&values)),
        valid: Some(&valid),
        stride: 1,
        length: 4,
    };
    machine.load(input, &series, &[0], 4);
    machine.run(4);
    let mut bits = [0u8; PIECE / 8];
    machine.truths(input, &mut bits);
    assert_eq!(bits[0] & 0b1111, 0b1001);
}
