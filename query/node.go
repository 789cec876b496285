package query

// op is what a node does.
type op uint8

const (
	literalOp  op = iota
	propertyOp    // of the message: name
	systemOp      // system property: name
	userOp        // the application property `$x` called name, else args[0]
	bodyOp        // of the message: path
	twinOp        // of the sender's twin: path
	fieldOp       // of the row of a query: path
	negateOp
	notOp
	multiplyOp
	divideOp
	moduloOp
	addOp
	subtractOp
	concatOp // any number of args
	lessOp
	lessOrEqualOp
	greaterOp
	greaterOrEqualOp
	equalOp
	unequalOp
	andOp
	orOp
	coalesceOp
	inOp    // args[0] is one of the others
	notInOp // and is none of them
	callOp
	changedOp // twin_change_includes: path
)

// static is the type of an expression as far as it is known when it is
// compiled; in a query all are dynamic.
//
// IoT Hub: contract.md §19.3 (ConditionVisitor.cs).
type static uint8

const (
	dynamicType static = iota
	undefinedType
	nullType
	boolType
	numberType
	stringType
)

// String is the type as error messages name it.
func (s static) String() string {
	return [...]string{"any", "undefined", "null", "bool", "number", "string"}[s]
}

// node is an expression.
type node struct {
	op       op
	typ      static
	value    Value // of a literal
	name     string
	path     []step
	function builtin
	args     []*node
	at, end  int // bytes of the text
}

// step goes from a value to one below it: to a member, or with no name to an
// element.
type step struct {
	name  string
	index int
}

// walk follows a path.
func walk(v Value, path []step) Value {
	for i := range path {
		if v.kind == objectKind {
			if path[i].index < 0 {
				v = v.tree.Member(v.at, path[i].name)
				continue
			}
		} else if v.kind == arrayKind && path[i].index >= 0 {
			v = v.tree.Element(v.at, path[i].index)
			continue
		}
		return Value{}
	}
	return v
}
