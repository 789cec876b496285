package query

import "strings"

// In a route condition each expression has a type before it is evaluated:
// properties of the message are strings, literals what they look like, `$body`
// and `$twin` dynamic. Operands must be of one type, or one of them dynamic.
//
// Differs: an AND or OR takes a dynamic operand on either side, where IoT Edge
// takes `$body.x AND true` but not `true AND $body.x`.
//
// IoT Hub: contract.md §19.3 (ConditionVisitor.cs, Args.cs). That the cloud
// makes a number of a string in `severity > 5` is not known, so it is the error
// that it is in IoT Edge.

// typeUnary checks the operand of a unary operator.
func (p *parser) typeUnary(n *node, symbol token) {
	given := n.args[0].typ
	n.typ = numberType
	if n.op == notOp {
		n.typ = boolType
		if given == nullType || given == undefinedType {
			return
		}
	}
	if given != n.typ && given != dynamicType {
		p.fail(symbol.at, "invalid operand to unary operator '%s': have '%s', expected '%s'",
			strings.ToLower(symbol.text), given, n.typ)
	}
}

// typeBinary checks the operands of a binary operator.
func (p *parser) typeBinary(n *node, symbol token) {
	left, right := n.args[0].typ, n.args[1].typ
	expected := left
	ok := left == right || left == dynamicType || right == dynamicType
	n.typ = boolType
	switch n.op {
	case andOp, orOp:
		expected = boolType
		ok = logical(left) && logical(right)
		if left == nullType && right == nullType || n.op == andOp && (left == nullType || right == nullType) {
			n.typ = nullType
		}
	case coalesceOp:
		n.typ = left
		if right == dynamicType {
			n.typ = dynamicType
		}
	case multiplyOp, divideOp, moduloOp, addOp, subtractOp:
		expected, n.typ = numberType, numberType
		ok = (left == numberType || left == dynamicType) && (right == numberType || right == dynamicType)
	case concatOp:
		expected, n.typ = stringType, stringType
		ok = (left == stringType || left == dynamicType) && (right == stringType || right == dynamicType)
	}
	if !ok {
		p.fail(symbol.at, "invalid operands to binary operator '%s': have '%s' and '%s', expected '%s' and '%s'%s",
			strings.ToLower(symbol.text), left, right, expected, expected, hint(left, right))
	}
}

// hint is what to do where a property meets a number.
func hint(left, right static) string {
	if left == stringType && right == numberType || left == numberType && right == stringType {
		return " (as_number makes a number of a string)"
	}
	return ""
}

// logical says whether a type may stand in AND, OR.
func logical(t static) bool { return t != numberType && t != stringType }

// typeCall checks the arguments of a call.
func (p *parser) typeCall(n *node, name token, s signature) {
	n.typ = s.result
	types := make([]static, len(n.args))
	names := make([]string, len(n.args))
	for i, a := range n.args {
		if p.route {
			types[i] = a.typ
		}
		names[i] = a.typ.String()
	}
	if !s.takes(types) {
		function := strings.ToLower(name.text)
		p.fail(name.at, "invalid arguments to built-in function '%s': %s(%s)", function, function, strings.Join(names, ", "))
	}
}
