// Go as a contender: the programs of src/blocking.rs and
// src/blocking_servers.rs, on goroutines. See src/protocol.rs for how it is
// spoken to.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	end       = ^uint64(0)
	producers = 8
	room      = 128
	limit     = 10 * time.Second
	many      = 100_000
	heavy     = 1
	light     = 42
)

var answer = []byte("HTTP/1.1 200 OK\r\nServer: bench\r\n" +
	"Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Type: text/plain\r\n" +
	"Content-Length: 13\r\n\r\nHello, World!")

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	if len(os.Args) != 6 {
		check(fmt.Errorf("usage: CONTENDER WORKLOAD NUMBER CORES BACKEND"))
	}
	workload := os.Args[2]
	number, err := strconv.Atoi(os.Args[3])
	check(err)
	cores, err := strconv.Atoi(os.Args[4])
	check(err)
	runtime.GOMAXPROCS(cores)
	backend := "127.0.0.1:" + os.Args[5]

	sessions := map[string]func(net.Conn){
		"echo":  func(c net.Conn) { echo(c, max(number, 1024)) },
		"short": exchange,
		"http":  plaintext,
		"proxy": func(c net.Conn) { proxy(c, backend) },
	}
	if session, ok := sessions[workload]; ok {
		fmt.Printf("ready %d\n", serve(session))
		io.Copy(io.Discard, os.Stdin)
		return
	}
	counted := map[string]func(int) time.Duration{
		"yield":       func(n int) time.Duration { return yields(number, n) },
		"spawn":       func(n int) time.Duration { return bursts(1, n) },
		"burst":       func(n int) time.Duration { return bursts(number, n) },
		"channel":     func(n int) time.Duration { return roundTrips(n, receive) },
		"many-to-one": manyToOne,
		"mutex":       func(n int) time.Duration { return locks(number, n) },
		"timer":       func(n int) time.Duration { return roundTrips(n, receiveWithin) },
		"select":      selects,
		"fan-out":     func(n int) time.Duration { return fanOut(number, backend, n) },
	}
	run, ok := counted[workload]
	if !ok && workload != "idle" && workload != "lateness" {
		check(fmt.Errorf("go does not take part in %s", workload))
	}
	if workload == "timer" || workload == "lateness" {
		allAsleep(number)
	}
	fmt.Println("ready 0")
	lines := bufio.NewScanner(os.Stdin)
	each := 0.0
	for lines.Scan() {
		millis, err := strconv.Atoi(strings.TrimPrefix(lines.Text(), "round "))
		check(err)
		switch {
		case workload == "idle":
			fmt.Printf("done %d %d\n", number, idle(number))
		case workload == "lateness":
			fmt.Printf("done 1 %d\n", lateness(time.Duration(millis)*time.Millisecond))
		case workload == "burst" && number >= many:
			fmt.Printf("done %d %d\n", number, bursts(number, number).Nanoseconds())
		default:
			target := float64(millis) * 1e6
			if each == 0 {
				each = firstGuess(target/4, run)
			}
			count := max(int(target/each), 1)
			nanos := max(int(run(count).Nanoseconds()), 1)
			each = float64(nanos) / float64(count)
			fmt.Printf("done %d %d\n", count, nanos)
		}
	}
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func firstGuess(enough float64, run func(int) time.Duration) float64 {
	for count := 1; ; count *= 2 {
		if took := float64(run(count).Nanoseconds()); took >= enough {
			return took / float64(count)
		}
	}
}

func scaled(took time.Duration, wanted, done int) time.Duration {
	return time.Duration(float64(took) * float64(wanted) / float64(done))
}

func ceil(n, by int) int { return (n + by - 1) / by }

func yields(tasks, n int) time.Duration {
	each := ceil(n, tasks)
	var all sync.WaitGroup
	all.Add(tasks)
	start := time.Now()
	for i := 0; i < tasks; i++ {
		go func() {
			for i := 0; i < each; i++ {
				runtime.Gosched()
			}
			all.Done()
		}()
	}
	all.Wait()
	return scaled(time.Since(start), n, each*tasks)
}

func bursts(size, n int) time.Duration {
	times := ceil(n, size)
	start := time.Now()
	for i := 0; i < times; i++ {
		var all sync.WaitGroup
		all.Add(size)
		for i := 0; i < size; i++ {
			go all.Done()
		}
		all.Wait()
	}
	return scaled(time.Since(start), n, times*size)
}

func receive(from chan uint64) uint64 { return <-from }

func receiveWithin(from chan uint64) uint64 {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case number := <-from:
		return number
	case <-timer.C:
		panic("nobody sends in time")
	}
}

func roundTrips(n int, receive func(chan uint64) uint64) time.Duration {
	there, back, over := make(chan uint64, 1), make(chan uint64, 1), make(chan bool)
	go func() {
		for {
			number := receive(there)
			if number == end {
				over <- true
				return
			}
			back <- number
		}
	}()
	start := time.Now()
	for i := uint64(0); i < uint64(n); i++ {
		there <- i
		if receive(back) != i {
			panic("another number")
		}
	}
	took := time.Since(start)
	there <- end
	<-over
	return took
}

func selects(n int) time.Duration {
	one, other, answered := make(chan uint64, 1), make(chan uint64, 1), make(chan uint64, 1)
	start := time.Now()
	go func() {
		for i := uint64(0); i < uint64(n); i++ {
			if i%2 == 0 {
				one <- i
			} else {
				other <- i
			}
			if <-answered != i {
				panic("another number")
			}
		}
	}()
	for i := uint64(0); i < uint64(n); i++ {
		number := end
		select {
		case number = <-one:
		case number = <-other:
		}
		if number != i {
			panic("another number")
		}
		answered <- i
	}
	return time.Since(start)
}

// How late sleepers are, in the worst of a hundred sleeps.
func lateness(during time.Duration) int64 {
	const nap = time.Millisecond
	var late []int64
	var lock sync.Mutex
	var all sync.WaitGroup
	until := time.Now().Add(during)
	start := func(count int, turn func()) {
		all.Add(count)
		for i := 0; i < count; i++ {
			go func() {
				turn() // once at least, however short the round
				for time.Now().Before(until) {
					turn()
				}
				all.Done()
			}()
		}
	}
	start(4, func() {
		for until := time.Now().Add(20 * time.Microsecond); time.Now().Before(until); {
		}
		runtime.Gosched()
	})
	start(100, func() {
		due := time.Now().Add(nap)
		time.Sleep(nap)
		lock.Lock()
		late = append(late, time.Since(due).Nanoseconds())
		lock.Unlock()
	})
	all.Wait()
	sort.Slice(late, func(i, j int) bool { return late[i] < late[j] })
	return late[(len(late)-1)*99/100]
}

func manyToOne(n int) time.Duration {
	each, numbers := ceil(n, producers), make(chan uint64, room)
	start := time.Now()
	for i := 0; i < producers; i++ {
		go func() {
			for i := 0; i < each; i++ {
				numbers <- uint64(i)
			}
		}()
	}
	sum := 0
	for i := 0; i < each*producers; i++ {
		sum += int(<-numbers)
	}
	took := time.Since(start)
	if sum != producers*(each*(each-1)/2) {
		panic("another sum")
	}
	return scaled(took, n, each*producers)
}

func locks(tasks, n int) time.Duration {
	var lock sync.Mutex
	var all sync.WaitGroup
	each, number := ceil(n, tasks), 0
	all.Add(tasks)
	start := time.Now()
	for i := 0; i < tasks; i++ {
		go func() {
			for i := 0; i < each; i++ {
				lock.Lock()
				number++
				if tasks > 1 {
					runtime.Gosched()
				}
				lock.Unlock()
			}
			all.Done()
		}()
	}
	all.Wait()
	took := time.Since(start)
	if number != each*tasks {
		panic("another number")
	}
	return scaled(took, n, each*tasks)
}

func allAsleep(count int) {
	var started int64
	for i := 0; i < count; i++ {
		go func() {
			atomic.AddInt64(&started, 1)
			time.Sleep(time.Hour)
		}()
	}
	for atomic.LoadInt64(&started) < int64(count) {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
}

func resident() int {
	status, err := os.ReadFile("/proc/self/status")
	check(err)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(rest)[0])
	check(err)
	return kilobytes * 1024
}

func idle(count int) int {
	before := resident()
	allAsleep(count)
	return resident() - before
}

func serve(session func(net.Conn)) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() {
		for {
			// Without delay of small packets is Go's default.
			connection, err := listener.Accept()
			check(err)
			go func() {
				session(connection)
				connection.Close()
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func echo(c net.Conn, size int) {
	buffer := make([]byte, size)
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		if buffer[0] == heavy {
			for until := time.Now().Add(200 * time.Microsecond); time.Now().Before(until); {
			}
		}
		if _, err := c.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func exchange(c net.Conn) {
	buffer := make([]byte, 1024)
	if n, err := c.Read(buffer); err == nil {
		c.Write(buffer[:n])
	}
}

func plaintext(c net.Conn) {
	buffer, seen := make([]byte, 4096), 0
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		heads := 0
		for _, b := range buffer[:n] {
			switch {
			case b == '\r' && seen%2 == 0, b == '\n' && seen == 1:
				seen++
			case b == '\n' && seen == 3:
				heads, seen = heads+1, 0
			case b == '\r':
				seen = 1
			default:
				seen = 0
			}
		}
		if _, err := c.Write(bytes.Repeat(answer, heads)); err != nil {
			return
		}
	}
}

func proxy(client net.Conn, backend string) {
	server, err := net.Dial("tcp", backend)
	check(err)
	defer server.Close()
	buffer := make([]byte, 1024)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
		if _, err := io.ReadFull(server, buffer[:n]); err != nil {
			return
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func fanOut(width int, backend string, n int) time.Duration {
	done, askers := make(chan uint64, width), make([]chan uint64, width)
	for i := range askers {
		asked := make(chan uint64, 1)
		askers[i] = asked
		go func() {
			connection, err := net.Dial("tcp", backend)
			check(err)
			defer connection.Close()
			done <- end
			message := bytes.Repeat([]byte{light}, 64)
			for number := range asked {
				_, err := connection.Write(message)
				check(err)
				_, err = io.ReadFull(connection, message)
				check(err)
				done <- number
			}
		}()
	}
	for range askers {
		<-done // one more is connected
	}
	start := time.Now()
	for i := uint64(0); i < uint64(n); i++ {
		for _, ask := range askers {
			ask <- i
		}
		for range askers {
			if <-done != i {
				panic("another number")
			}
		}
	}
	took := time.Since(start)
	for _, ask := range askers {
		close(ask)
	}
	return took
}
