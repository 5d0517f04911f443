package placement

import "math"

// inventoryWrite is an inventory in a body; what is absent keeps its default.
type inventoryWrite struct {
	Generation      int64    `json:"resource_provider_generation"`
	Class           string   `json:"resource_class"`
	Total           int64    `json:"total"`
	Reserved        int64    `json:"reserved"`
	MinUnit         *int64   `json:"min_unit"`
	MaxUnit         *int64   `json:"max_unit"`
	StepSize        *int64   `json:"step_size"`
	AllocationRatio *float64 `json:"allocation_ratio"`
}

type inventoriesWrite struct {
	Generation  int64                     `json:"resource_provider_generation"`
	Inventories map[string]inventoryWrite `json:"inventories"`
}

type inventoryView struct {
	Total           int64   `json:"total"`
	Reserved        int64   `json:"reserved"`
	MinUnit         int64   `json:"min_unit"`
	MaxUnit         int64   `json:"max_unit"`
	StepSize        int64   `json:"step_size"`
	AllocationRatio float64 `json:"allocation_ratio"`
}

type oneInventoryView struct {
	inventoryView
	Generation int64 `json:"resource_provider_generation"`
}

type inventoriesView struct {
	Generation  int64                    `json:"resource_provider_generation"`
	Inventories map[string]inventoryView `json:"inventories"`
}

// row is the inventory with the API's defaults filled in.
func (w inventoryWrite) row(provider, class string) inventoryRow {
	or := func(value *int64, otherwise int64) int64 {
		if value == nil {
			return otherwise
		}
		return *value
	}
	row := inventoryRow{
		Provider: provider, Class: class, Total: w.Total, Reserved: w.Reserved, AllocationRatio: 1,
		MinUnit: or(w.MinUnit, 1), MaxUnit: or(w.MaxUnit, math.MaxInt32), StepSize: or(w.StepSize, 1),
	}
	if w.AllocationRatio != nil {
		row.AllocationRatio = *w.AllocationRatio
	}
	return row
}

func viewInventory(row inventoryRow) inventoryView {
	return inventoryView{row.Total, row.Reserved, row.MinUnit, row.MaxUnit, row.StepSize, row.AllocationRatio}
}

func viewInventories(generation int64, rows []inventoryRow) inventoriesView {
	view := inventoriesView{Generation: generation, Inventories: map[string]inventoryView{}}
	for _, row := range rows {
		view.Inventories[row.Class] = viewInventory(row)
	}
	return view
}
