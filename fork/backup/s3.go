package backup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// IsBucket reports whether a name that an operator gives is a bucket's, and no directory's.
func IsBucket(name string) bool { return strings.HasPrefix(name, scheme) }

const scheme = "s3://"

// Bucket is a place in a store that speaks S3. What is put there is there whole or not at all, and safe when the store says so.
type Bucket struct {
	client       *minio.Core
	name, prefix string // of the bucket, and of all names in it
	said         string
}

// bucketForm is what a bucket may be called (Amazon S3 user guide, "Bucket naming rules").
var bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// OpenBucket opens s3://BUCKET or s3://BUCKET/PREFIX, where BUCKET has to be there. Keys, region and endpoint are those of AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL; nobody is asked for others.
func OpenBucket(ctx context.Context, name string, getenv func(string) string) (*Bucket, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(name, scheme), "/")
	prefix = strings.Trim(prefix, "/")
	if !bucketForm.MatchString(bucket) || prefix != "" && (!fs.ValidPath(prefix) || len(prefix) > 512) {
		return nil, fmt.Errorf("%.200q is no bucket: write s3://BUCKET/PREFIX, where BUCKET has 3 to 63 of a to z, 0 to 9, dots and hyphens", name)
	}
	id, secret := getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY")
	if id == "" || secret == "" {
		return nil, fmt.Errorf("nothing says by which key %s is reached: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in a file of root's alone", name)
	}
	b := &Bucket{name: bucket, prefix: prefix, said: scheme + path.Join(bucket, prefix)}
	host, secure := "s3.amazonaws.com", true
	if said := cmp.Or(getenv("AWS_ENDPOINT_URL_S3"), getenv("AWS_ENDPOINT_URL")); said != "" {
		at, err := endpoint(said)
		if err != nil {
			return nil, err
		}
		host, secure = at.Host, at.Scheme == "https"
		b.said += " at " + at.Scheme + "://" + at.Host
	}
	var err error
	b.client, err = minio.NewCore(host, &minio.Options{
		Creds: credentials.NewStaticV4(id, secret, getenv("AWS_SESSION_TOKEN")), Secure: secure, Region: getenv("AWS_REGION"),
	})
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", b, err)
	}
	there, err := b.client.BucketExists(ctx, bucket)
	if err == nil && !there {
		err = errors.New("there is no such bucket")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use %s for backups: %w", b, err)
	}
	return b, nil
}

// endpoint reads where a store is. It may be a mistake with a key in it: errors do not quote it.
func endpoint(said string) (*url.URL, error) {
	at, err := url.Parse(said)
	switch {
	case err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" || strings.Trim(at.Path, "/")+at.RawQuery+at.Fragment != "" || at.User != nil:
		return nil, errors.New("what AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL says is no endpoint: write https://HOST or https://HOST:PORT")
	case at.Scheme == "http" && !loopback(at.Hostname()):
		return nil, errors.New("what AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL says is reached without TLS, which is for a store on this very host: write https://HOST")
	}
	return at, nil
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// carrying bounds how long one object is under way: 64 MiB by a slow line.
const carrying = 30 * time.Minute

// Close is there for whoever closes places: a bucket holds nothing.
func (b *Bucket) Close() error { return nil }

func (b *Bucket) String() string { return b.said }

func (b *Bucket) key(name string) string { return path.Join(b.prefix, name) }

// Put is Place's.
func (b *Bucket) Put(ctx context.Context, name string, from io.Reader) error {
	sized, ok := from.(interface{ Len() int })
	if !ok {
		text, err := io.ReadAll(from)
		if err != nil {
			return err
		}
		whole := bytes.NewReader(text)
		from, sized = whole, whole
	}
	ctx, stop := context.WithTimeout(ctx, carrying)
	defer stop()
	// In one piece: what is uploaded in parts and broken off stays there, and is paid for, until somebody looks for it.
	// A digest goes along, without which a bucket with a retention takes nothing.
	_, err := b.client.Client.PutObject(ctx, b.name, b.key(name), from, int64(sized.Len()), minio.PutObjectOptions{DisableMultipart: true, SendContentMd5: true})
	return err
}

// Get is Place's. It asks for the object itself: what is said to who asks only about it does not say what is missing.
func (b *Bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	ctx, stop := context.WithTimeout(ctx, carrying)
	object, _, _, err := b.client.GetObject(ctx, b.name, b.key(name), minio.GetObjectOptions{})
	if err != nil {
		stop()
		if missing(err) {
			err = fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return nil, err
	}
	return &opened{object, stop}, nil
}

// missing reports whether a store says that an object is not there.
func missing(err error) bool { return minio.ToErrorResponse(err).Code == minio.NoSuchKey }

// opened is an object that is being read.
type opened struct {
	io.ReadCloser
	stop func()
}

func (o *opened) Close() error {
	defer o.stop()
	return o.ReadCloser.Close()
}

// List is Place's.
func (b *Bucket) List(ctx context.Context, dir string) (names []string, err error) {
	listing, stop := context.WithCancel(ctx) // it goes on until somebody has taken all of it
	defer stop()
	below := b.key(dir)
	if below == "." {
		below = ""
	} else {
		below += "/"
	}
	for object := range b.client.Client.ListObjects(listing, b.name, minio.ListObjectsOptions{Prefix: below, Recursive: true}) {
		if object.Err != nil {
			return nil, object.Err
		}
		name := strings.TrimPrefix(object.Key, b.prefix+"/")
		if b.prefix == "" {
			name = object.Key
		}
		if fs.ValidPath(name) { // others' names may be anything
			names = append(names, name)
		}
	}
	return names, ctx.Err() // one that is broken off just ends
}

// Remove is Place's.
func (b *Bucket) Remove(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := b.client.RemoveObject(ctx, b.name, b.key(name), minio.RemoveObjectOptions{}); err != nil && !missing(err) {
			return err
		}
	}
	return nil
}
