using System.Numerics;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.Examples;

/// <summary>Handwriting-like digits that the program draws itself, for a first run without a download.</summary>
internal static class DrawnDigits
{
    // The strokes of each digit as points in the unit square, x to the right and y down; a smooth curve goes through
    // them. People write some digits in several forms, so each row picks one.
    private static readonly string[][] Forms =
    [
        ["50,12 30,22 22,50 30,78 50,88 70,78 78,50 70,22 50,12"],
        ["52,12 50,50 48,88", "34,30 44,22 54,10|54,10 54,88"],
        [
            "24,30 34,15 54,11 70,24 66,44 46,66 22,87|22,87 50,84 80,88",
            "24,28 40,12 64,14 70,34 54,60 34,82 24,78 32,70 50,80 78,86",
        ],
        [
            "24,18 46,10 68,20 66,36 44,47|44,47 70,54 74,72 54,89 22,82",
            "22,14 46,12 72,14|72,14 60,30 46,44|46,44 70,50 74,70 56,88 24,84",
        ],
        [
            "32,12 27,34 24,54|24,54 50,55 80,52|66,14 64,50 60,90",
            "62,10 42,34 20,60|20,60 50,61 82,60|62,10 62,50 62,90",
        ],
        ["72,13 50,13 32,14|32,14 29,30 27,45|27,45 50,39 72,50 72,72 52,88 24,82"],
        ["64,10 42,28 28,56 32,80 52,88 70,76 66,58 46,54 30,66"],
        ["20,16 50,15 78,14|78,14 62,46 44,90", "20,18 50,15 78,14|78,14 64,46 50,90|36,52 52,51 70,50"],
        ["66,20 48,10 32,22 38,40 56,52 70,70 56,88 36,84 30,68 44,52 64,38 66,20"],
        [
            "70,30 54,12 34,18 28,38 44,52 62,46 70,30|70,28 68,60 60,90",
            "70,34 58,14 36,16 28,36 42,50 62,44 70,34|71,28 72,56 62,82 34,86",
        ],
    ];

    /// <summary>
    /// Creates rows of an Image, white strokes on black, and its Label, 0 to 9 in turn. A row is drawn when it is read,
    /// from the seed and its index alone, so every pass over the view gives the same images.
    /// </summary>
    /// <param name="ml">The context.</param>
    /// <param name="count">The number of rows.</param>
    /// <param name="seed">The seed of the strokes; another seed gives other images.</param>
    /// <param name="size">The height and width of the images, in pixels.</param>
    public static IDataView Load(MLContext ml, int count, int seed, int size = 28)
    {
        new ImageTypeAttribute(size, size).Register(); // no attribute states this type, so ML.NET does not know it yet
        var schema = SchemaDefinition.Create(typeof(Row));
        schema[nameof(Row.Image)].ColumnType = new ImageDataViewType(size, size);
        var rows = Enumerable.Range(0, count)
            .Select(row => new Row { Image = Draw(row, seed, size), Label = (uint)(row % 10) });
        return ml.Data.LoadFromEnumerable(rows, schema);
    }

    private static MLImage Draw(int row, int seed, int size)
    {
        var random = new Random(Hash(seed, row));
        var forms = Forms[row % 10];
        var form = forms[random.Next(forms.Length)];
        var hand = new Hand(random);
        var lines = form.Split('|')
            .SelectMany(stroke => Curve([.. stroke.Split(' ').Select(Parse).Select(hand.Move)]))
            .ToArray();

        var pixels = new byte[size * size * 4];
        for (var i = 0; i < size * size; i++)
        {
            var centre = new Vector2(i % size + 0.5f, i / size + 0.5f) / size;
            var distance = lines.Min(line => Distance(centre, line.From, line.To));

            // Edges fade over two pixels, as in MNIST.
            var coverage = Math.Clamp(0.5f + (hand.PenRadius - distance) * size / 1.8f, 0, 1);
            pixels.AsSpan(4 * i, 4).Fill((byte)(255 * coverage));
            pixels[4 * i + 3] = 255;
        }

        return MLImage.CreateFromPixels(size, size, MLPixelFormat.Bgra32, pixels);
    }

    private static Vector2 Parse(string point)
    {
        var comma = point.IndexOf(',', StringComparison.Ordinal);
        return new Vector2(int.Parse(point.AsSpan(0, comma)), int.Parse(point.AsSpan(comma + 1))) / 100;
    }

    // Generators with neighbouring seeds start alike, so the numbers are spread first. HashCode would differ from
    // process to process.
    private static int Hash(int seed, int row) =>
        unchecked((int)(((uint)seed * 2654435761u ^ (uint)row) * 2246822519u));

    /// <summary>Returns a Catmull-Rom spline through the points, as short lines.</summary>
    private static IEnumerable<(Vector2 From, Vector2 To)> Curve(Vector2[] points)
    {
        const int LinesPerSpan = 4;
        var from = points[0];
        for (var i = 0; i + 1 < points.Length; i++)
        {
            var p0 = points[Math.Max(i - 1, 0)];
            var p1 = points[i];
            var p2 = points[i + 1];
            var p3 = points[Math.Min(i + 2, points.Length - 1)];
            for (var step = 1; step <= LinesPerSpan; step++)
            {
                var t = (float)step / LinesPerSpan;
                var to = 0.5f * (2 * p1
                    + t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0))));
                yield return (from, to);
                from = to;
            }
        }
    }

    private static float Distance(Vector2 point, Vector2 from, Vector2 to)
    {
        var line = to - from;
        var along = Vector2.Dot(point - from, line) / Math.Max(line.LengthSquared(), 1e-9f);
        return Vector2.Distance(point, from + Math.Clamp(along, 0, 1) * line);
    }

    /// <summary>Holds what differs from one writing to the next: slant, size, place, a wobble and the pen.</summary>
    private sealed class Hand
    {
        private readonly Matrix3x2 _affine;
        private readonly Vector2 _phase;
        private readonly Vector2 _wobble;

        public Hand(Random random)
        {
            float Between(float low, float high) => low + (high - low) * random.NextSingle();

            var centre = new Vector2(0.5f);
            _affine = Matrix3x2.CreateScale(Between(0.6f, 0.9f), Between(0.72f, 0.92f), centre)
                * Matrix3x2.CreateSkew(Between(-0.25f, 0.15f), 0, centre)
                * Matrix3x2.CreateRotation(Between(-0.2f, 0.2f), centre)
                * Matrix3x2.CreateTranslation(Between(-0.04f, 0.04f), Between(-0.04f, 0.04f));
            _phase = new Vector2(Between(0, MathF.Tau), Between(0, MathF.Tau));
            _wobble = new Vector2(Between(0, 0.05f), Between(0, 0.05f));
            PenRadius = Between(0.03f, 0.065f);
        }

        /// <summary>Gets half the thickness of a stroke, in widths of the image.</summary>
        public float PenRadius { get; }

        // The wobble depends on the place alone, so strokes that meet still do.
        public Vector2 Move(Vector2 point)
        {
            var wobble = new Vector2(MathF.Sin(6 * point.Y + _phase.X), MathF.Sin(6 * point.X + _phase.Y)) * _wobble;
            return Vector2.Transform(point + wobble, _affine);
        }
    }

    private sealed class Row
    {
        [ImageType(1, 1)] // the attribute needs some size; the schema has the real one
        public required MLImage Image { get; init; }

        public uint Label { get; init; }
    }
}
