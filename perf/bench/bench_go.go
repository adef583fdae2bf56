// The questions of bench_steal and bench_spawn_cores, answered by Go's scheduler. One word chooses; one figure is printed.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

func perSecondM(began time.Time, count int) float64 {
	return float64(count) * 1000 / float64(time.Since(began).Nanoseconds())
}

// Goroutines in batches of 1,000 that return at once.
func spawn() float64 {
	const batch, batches = 1000, 1000
	began := time.Now()
	for i := 0; i < batches; i++ {
		var group sync.WaitGroup
		group.Add(batch)
		for j := 0; j < batch; j++ {
			go group.Done()
		}
		group.Wait()
	}
	return perSecondM(began, batch*batches)
}

func grow(group *sync.WaitGroup, depth int) {
	for i := 0; i < 2 && depth > 0; i++ {
		group.Add(1)
		go grow(group, depth-1)
	}
	group.Done()
}

// A binary tree of goroutines, all joined by one group.
func tree() float64 {
	const depth, trees = 9, 1000
	began := time.Now()
	for i := 0; i < trees; i++ {
		var group sync.WaitGroup
		group.Add(1)
		go grow(&group, depth)
		group.Wait()
	}
	return perSecondM(began, trees*(2<<depth-1))
}

func fork(depth int) {
	var group sync.WaitGroup
	if depth == 0 {
		return
	}
	group.Add(2)
	for i := 0; i < 2; i++ {
		go func() {
			fork(depth - 1)
			group.Done()
		}()
	}
	group.Wait()
}

// A binary tree in which each node joins its own children.
func forkJoin() float64 {
	const depth, trees = 9, 500
	began := time.Now()
	for i := 0; i < trees; i++ {
		fork(depth)
	}
	return perSecondM(began, trees*(2<<depth-1))
}

// 200 goroutines that yield.
func yield() float64 {
	const count, each = 200, 20000
	var group sync.WaitGroup
	began := time.Now()
	group.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			for n := 0; n < each; n++ {
				runtime.Gosched()
			}
			group.Done()
		}()
	}
	group.Wait()
	return float64(time.Since(began).Nanoseconds()) / (count * each)
}

func main() {
	questions := map[string]func() float64{"spawn": spawn, "tree": tree, "fork_join": forkJoin, "yield": yield}
	if len(os.Args) != 2 || questions[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: bench_go spawn|tree|fork_join|yield")
		os.Exit(2)
	}
	fmt.Printf("%g\n", questions[os.Args[1]]())
}
