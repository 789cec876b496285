package query

import (
	"math"
	"strings"
)

// builtin is a built-in function.
type builtin uint8

const (
	absFunction builtin = iota + 1
	expFunction
	squareFunction
	ceilingFunction
	floorFunction
	signFunction
	sqrtFunction
	powerFunction

	isDefinedFunction
	isNullFunction
	isBoolFunction
	isNumberFunction
	isStringFunction
	isArrayFunction
	isObjectFunction
	isPrimitiveFunction

	asNumberFunction
	concatFunction
	lengthFunction
	lowerFunction
	upperFunction
	substringFunction
	indexOfFunction
	startsWithFunction
	endsWithFunction
	containsFunction
)

// signature is what a function takes and gives. Parameters are letters: n a
// number, s a string, b either, * anything; behind `|` are those that may be
// left out, and `+` stands for more of the last.
type signature struct {
	function   builtin
	parameters string
	result     static
}

// functions are those of route conditions, by their names in lower case.
// STARTSWITH and ENDSWITH are how the documents spell two of them.
//
// IoT Hub: contract.md §19.3 (ConditionVisitor.cs), iot-hub-devguide-query-language.md.
var functions = map[string]signature{
	"abs":     {absFunction, "n", numberType},
	"exp":     {expFunction, "n", numberType},
	"square":  {squareFunction, "n", numberType},
	"ceiling": {ceilingFunction, "n", numberType},
	"floor":   {floorFunction, "n", numberType},
	"sign":    {signFunction, "n", numberType},
	"sqrt":    {sqrtFunction, "n", numberType},
	"power":   {powerFunction, "nn", numberType},

	"is_defined":   {isDefinedFunction, "*", boolType},
	"is_null":      {isNullFunction, "*", boolType},
	"is_bool":      {isBoolFunction, "*", boolType},
	"is_number":    {isNumberFunction, "*", boolType},
	"is_string":    {isStringFunction, "*", boolType},
	"is_array":     {isArrayFunction, "*", boolType},
	"is_object":    {isObjectFunction, "*", boolType},
	"is_primitive": {isPrimitiveFunction, "*", boolType},

	"as_number":   {asNumberFunction, "b", numberType},
	"concat":      {concatFunction, "ss+", stringType},
	"length":      {lengthFunction, "s", numberType},
	"lower":       {lowerFunction, "s", stringType},
	"upper":       {upperFunction, "s", stringType},
	"substring":   {substringFunction, "sn|n", stringType},
	"index_of":    {indexOfFunction, "ss", numberType},
	"starts_with": {startsWithFunction, "ss", boolType},
	"startswith":  {startsWithFunction, "ss", boolType},
	"ends_with":   {endsWithFunction, "ss", boolType},
	"endswith":    {endsWithFunction, "ss", boolType},
	"contains":    {containsFunction, "ss", boolType},
}

// takes says whether arguments of these types fit.
func (s signature) takes(given []static) bool {
	least, _, _ := strings.Cut(strings.TrimSuffix(s.parameters, "+"), "|")
	letters := strings.ReplaceAll(strings.TrimSuffix(s.parameters, "+"), "|", "")
	if len(given) < len(least) || len(given) > len(letters) && !strings.HasSuffix(s.parameters, "+") {
		return false
	}
	for i, t := range given {
		if !fits(letters[min(i, len(letters)-1)], t) {
			return false
		}
	}
	return true
}

// fits says whether an argument of a type may stand for a parameter's letter.
func fits(letter byte, t static) bool {
	switch {
	case letter == '*' || t == dynamicType:
		return true
	case t == numberType:
		return letter == 'n' || letter == 'b'
	}
	return t == stringType && letter != 'n'
}

// call evaluates a call.
func (e *evaluation) call(n *node) Value {
	a := e.value(n.args[0])
	switch {
	case n.function >= asNumberFunction:
		return e.ofText(n, a)
	case n.function >= isDefinedFunction:
		return Boolean(e.is(n.function, a))
	case a.kind != numberKind:
		return Value{}
	case n.function != powerFunction:
		return Number(numeric(n.function, a.number))
	}
	if b := e.value(n.args[1]); b.kind == numberKind {
		return Number(math.Pow(a.number, b.number))
	}
	return Value{}
}

// numeric is a function of one number.
func numeric(f builtin, x float64) float64 {
	switch f {
	case absFunction:
		return math.Abs(x)
	case expFunction:
		return math.Exp(x)
	case squareFunction:
		return x * x
	case ceilingFunction:
		return math.Ceil(x)
	case floorFunction:
		return math.Floor(x)
	case sqrtFunction:
		return math.Sqrt(x)
	}
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

// is says whether a value is of a type. In a route condition objects and arrays
// are as good as undefined, unless it is them that are asked for.
//
// IoT Hub: contract.md §19.3 (BodyQuery.cs, IsNumber.cs).
func (e *evaluation) is(f builtin, v Value) bool {
	switch f {
	case isDefinedFunction:
		return v.primitive() || v.IsDefined() && e.facts == nil
	case isNullFunction:
		return v.kind == nullKind
	case isBoolFunction:
		return v.kind == booleanKind
	case isNumberFunction:
		return v.kind == numberKind && !math.IsInf(v.number, 0)
	case isStringFunction:
		return v.kind == stringKind
	case isArrayFunction:
		return v.kind == arrayKind
	case isObjectFunction:
		return v.kind == objectKind
	}
	return v.primitive()
}
