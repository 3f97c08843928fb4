// Services and clients in Go: `http PORT BACKEND-PORT` (also HTTP/2 without TLS), `grpc PORT`, `grpc-client PORT COUNT`.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func main() {
	address := "127.0.0.1:" + os.Args[2]
	switch os.Args[1] {
	case "http":
		serveHTTP(address, "http://127.0.0.1:"+os.Args[3])
	case "grpc":
		serveCalls(address)
	case "grpc-client":
		count, err := strconv.Atoi(os.Args[3])
		must(err)
		ask(address, count)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveHTTP(address, backend string) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		path := r.URL.Path
		if strings.HasPrefix(path, "/via/") {
			path = path[4:]
			inner, err := http.Get(backend + path + "-inner")
			if err == nil {
				_, _ = io.Copy(io.Discard, inner.Body)
				inner.Body.Close()
			}
		}
		parts := strings.Split(strings.Trim(path, "/"), "/")
		if len(parts) < 3 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		code, _ := strconv.Atoi(parts[0])
		chunked := strings.HasPrefix(parts[1], "c")
		size, _ := strconv.Atoi(strings.TrimPrefix(parts[1], "c"))
		if len(parts) > 3 {
			wait, _ := strconv.Atoi(parts[3])
			time.Sleep(time.Duration(wait) * time.Millisecond)
		}
		if !chunked {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		w.WriteHeader(code)
		for size > 0 {
			step := size
			if chunked && step > 1000 {
				step = 1000
			}
			_, _ = w.Write([]byte(strings.Repeat("x", step)))
			if chunked {
				w.(http.Flusher).Flush()
			}
			size -= step
		}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := http.Server{Addr: address, Handler: http.HandlerFunc(answer), Protocols: protocols}
	must(server.ListenAndServe())
}

type text = wrapperspb.StringValue

func add(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	message := new(text)
	if err := decode(message); err != nil {
		return nil, err
	}
	if message.Value == "fail" {
		return nil, status.Error(codes.NotFound, "there is none")
	}
	return message, nil
}

func watch(_ any, stream grpc.ServerStream) error {
	message := new(text)
	if err := stream.RecvMsg(message); err != nil {
		return err
	}
	for range 20 {
		if err := stream.SendMsg(message); err != nil {
			return err
		}
	}
	return nil
}

func upload(_ any, stream grpc.ServerStream) error {
	message := new(text)
	for {
		switch err := stream.RecvMsg(message); err {
		case nil:
		case io.EOF:
			return stream.SendMsg(message)
		default:
			return err
		}
	}
}

func chat(_ any, stream grpc.ServerStream) error {
	message := new(text)
	for {
		switch err := stream.RecvMsg(message); err {
		case nil:
			if err := stream.SendMsg(message); err != nil {
				return err
			}
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

var streams = []grpc.StreamDesc{
	{StreamName: "Watch", Handler: watch, ServerStreams: true},
	{StreamName: "Upload", Handler: upload, ClientStreams: true},
	{StreamName: "Chat", Handler: chat, ServerStreams: true, ClientStreams: true},
}

func serveCalls(address string) {
	listener, err := net.Listen("tcp", address)
	must(err)
	server := grpc.NewServer()
	methods := []grpc.MethodDesc{{MethodName: "Add", Handler: add}}
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "shop.Cart", HandlerType: (*any)(nil), Methods: methods, Streams: streams,
	}, struct{}{})
	must(server.Serve(listener))
}

// Prints a line a call: method, trace id, status, nanoseconds since 1970 at the begin and the end.
func ask(address string, count int) {
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	var group sync.WaitGroup
	var printing sync.Mutex
	turns := make(chan struct{}, 8)
	for number := range count {
		turns <- struct{}{}
		group.Add(1)
		go func() {
			defer func() { <-turns; group.Done() }()
			line := one(connection, number)
			printing.Lock()
			defer printing.Unlock()
			fmt.Println(line)
		}()
	}
	group.Wait()
}

func one(connection *grpc.ClientConn, number int) string {
	kind := number % 10
	if kind > 3 {
		kind = 0
	}
	trace := fmt.Sprintf("c0%014x%016x", 2, number)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", fmt.Sprintf("00-%s-%016x-01", trace, number+1))
	message := &text{Value: fmt.Sprintf("item %d", number)}
	if kind == 0 && number%7 == 0 {
		message.Value = "fail"
	}
	begun := time.Now().UnixNano()
	var err error
	name := "Add"
	if kind == 0 {
		err = connection.Invoke(ctx, "/shop.Cart/Add", message, new(text))
	} else {
		name = streams[kind-1].StreamName
		err = stream(ctx, connection, &streams[kind-1], message)
	}
	words := map[codes.Code]string{codes.OK: "OK", codes.NotFound: "NOT_FOUND"}
	return fmt.Sprintf("%s %s %s %d %d", name, trace, words[status.Code(err)], begun, time.Now().UnixNano())
}

func stream(ctx context.Context, connection *grpc.ClientConn, desc *grpc.StreamDesc, message *text) error {
	call, err := connection.NewStream(ctx, desc, "/shop.Cart/"+desc.StreamName)
	if err != nil {
		return err
	}
	sends := 1
	if desc.ClientStreams {
		sends = 10
	}
	for range sends {
		if err := call.SendMsg(message); err != nil {
			return err
		}
	}
	if err := call.CloseSend(); err != nil {
		return err
	}
	for {
		switch err := call.RecvMsg(new(text)); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}
