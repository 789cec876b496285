package query

import (
	"slices"
	"strconv"
	"strings"
)

// roots are the members of a twin's document, by their names in lower case.
// Their names are compared without case and answered as they are written here;
// all below, in tags and properties, is compared exactly.
//
// IoT Hub: contract.md §10.1, query-twins.md (`SELECT DeviceId, LastActivityTime`
// answers `deviceId` and `lastActivityTime`); `id` is what the C# SDK's own
// samples ask for.
var roots = map[string]string{
	"deviceid": "deviceId", "id": "deviceId", "moduleid": "moduleId", "etag": "etag", "deviceetag": "deviceEtag",
	"status": "status", "statusreason": "statusReason", "statusupdatetime": "statusUpdateTime",
	"connectionstate": "connectionState", "lastactivitytime": "lastActivityTime",
	"cloudtodevicemessagecount": "cloudToDeviceMessageCount", "authenticationtype": "authenticationType",
	"x509thumbprint": "x509Thumbprint", "modelid": "modelId", "version": "version", "tags": "tags",
	"properties": "properties", "capabilities": "capabilities", "devicescope": "deviceScope",
	"parentscopes": "parentScopes", "configurations": "configurations",
}

// seconds are those of the members of a root.
var seconds = map[string]string{
	"desired": "desired", "reported": "reported", "iotedge": "iotEdge",
	"primarythumbprint": "primaryThumbprint", "secondarythumbprint": "secondaryThumbprint",
}

// jobFields are the members of a job's document.
// IoT Hub: contract.md §15, query-jobs.md (which also says createdTimeUtc).
var jobFields = map[string]string{
	"deviceid": "deviceId", "moduleid": "moduleId", "jobid": "jobId", "jobtype": "jobType", "status": "status",
	"starttimeutc": "startTimeUtc", "endtimeutc": "endTimeUtc", "createddatetimeutc": "createdDateTimeUtc",
	"createdtimeutc": "createdDateTimeUtc", "lastupdateddatetimeutc": "lastUpdatedDateTimeUtc",
	"outcome": "outcome", "error": "error",
}

// settle does what could not be done before all of the query was read.
func (p *parser) settle(q *Query, written []*node) {
	if p.err != nil {
		return
	}
	for _, f := range p.fields {
		p.settlePath(q.from, f)
	}
	if q.from == Jobs && (!q.All() || q.groups != nil) {
		p.fail(0, "from devices.jobs only * can be selected, and nothing grouped")
		return
	}
	if q.All() && q.groups != nil {
		p.fail(0, "* cannot be selected from groups")
		return
	}
	for i := range q.columns {
		p.settleColumn(q, i, written[i])
	}
}

// settlePath takes the name of the collection off a path and puts the names of
// the document's own members into their case.
func (p *parser) settlePath(from Collection, n *node) {
	prefix := []string{"devices", "modules"}
	switch from {
	case Devices:
		prefix = prefix[:1]
	case Jobs:
		prefix[1] = "jobs"
	}
	if len(n.path) > len(prefix) && slices.EqualFunc(n.path[:len(prefix)], prefix, func(s step, word string) bool {
		return strings.EqualFold(s.name, word)
	}) {
		n.path = n.path[len(prefix):]
	}
	name := strings.ToLower(n.path[0].name)
	if from == Jobs {
		canonical, ok := jobFields[name]
		if !ok {
			p.fail(n.at, "'%s' is no property of a job", shortened(n.path[0].name))
			return
		}
		n.path[0].name = canonical
		return
	}
	if canonical, ok := roots[name]; ok {
		n.path[0].name = canonical
	}
	if len(n.path) > 1 && n.path[0].name != "tags" {
		if canonical, ok := seconds[strings.ToLower(n.path[1].name)]; ok {
			n.path[1].name = canonical
		}
	}
}

func lastName(path []step) string { return path[len(path)-1].name }

// settleColumn names a column by the last part of its path, unless it has a name,
// and finds its group. An aggregate without a name
// is called `$1`, `$2` and so on [unsourced].
func (p *parser) settleColumn(q *Query, i int, written *node) {
	c := &q.columns[i]
	switch {
	case c.name != "":
	case c.aggregate != noAggregate:
		c.name = "$" + strconv.Itoa(i+1)
	default:
		c.name = lastName(c.path.path)
	}
	if c.aggregate == noAggregate && q.grouped() {
		c.group = slices.IndexFunc(q.groups, func(g *node) bool { return slices.Equal(g.path, c.path.path) })
		if c.group < 0 {
			p.fail(written.at, "what is selected beside aggregates has to be in GROUP BY")
		}
	}
	for j := range i {
		if q.columns[j].name == c.name {
			p.fail(written.at, "the name '%s' is used twice: give one with AS", shortened(c.name))
		}
	}
}

// grouped says whether the query's rows are groups of documents.
func (q *Query) grouped() bool {
	return q.groups != nil || slices.ContainsFunc(q.columns, func(c column) bool { return c.aggregate != noAggregate })
}
