using System.Reflection;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>Reads values of columns of any type, images included, as objects that can be kept and compared.</summary>
internal static class Cells
{
    /// <summary>Returns a getter of a column of a row or of annotations. Its values are copies.</summary>
    public static Func<object?> Getter(object source, DataViewSchema.Column column)
    {
        var raw = column.Type.RawType;
        var vector = column.Type is VectorDataViewType;
        return (Func<object?>)typeof(Cells)
            .GetMethod(vector ? nameof(Vector) : nameof(Scalar), BindingFlags.NonPublic | BindingFlags.Static)!
            .MakeGenericMethod(vector ? raw.GetGenericArguments()[0] : raw)
            .Invoke(null, BindingFlags.DoNotWrapExceptions, null, [source, column], null)!;
    }

    /// <summary>
    /// Asserts that two values are equal, or where they need not be <paramref name="exact"/>, that no pixel is off by
    /// over a grey level.
    /// </summary>
    public static void AreEqual(object? expected, object? actual, bool exact, string what)
    {
        if (expected is ImageBytes a && actual is ImageBytes b)
        {
            Assert.AreEqual((a.Width, a.Height), (b.Width, b.Height), what);
            AreClose(a.Pixels, b.Pixels, exact ? 0 : 1, what);
        }
        else if (expected is float[] x && actual is float[] y)
        {
            AreClose(x, y, exact ? 0 : 1 / 127.5f, what);
        }
        else if (expected is Array array)
        {
            Assert.AreSequenceEqual(array, actual as Array, what);
        }
        else
        {
            Assert.AreEqual(expected, actual, what);
        }
    }

    private static void AreClose<T>(T[] expected, T[] actual, float tolerance, string what)
        where T : IConvertible
    {
        Assert.HasCount(expected.Length, actual, what);
        foreach (var (a, b) in expected.Zip(actual))
        {
            // NaN equals NaN alone.
            if (!a.Equals(b) && !(MathF.Abs(a.ToSingle(null) - b.ToSingle(null)) <= tolerance))
                Assert.Fail($"{what}: expected {a}, found {b}.");
        }
    }

    private static Func<object?> Scalar<T>(object source, DataViewSchema.Column column)
    {
        var getter = Getter<T>(source, column);
        return () =>
        {
            T value = default!;
            getter(ref value);
            return value switch
            {
                MLImage image => new ImageBytes(image.Width, image.Height, image.Pixels.ToArray()),
                ReadOnlyMemory<char> text => text.ToString(),
                _ => value,
            };
        };
    }

    private static Func<object?> Vector<T>(object source, DataViewSchema.Column column)
    {
        var getter = Getter<VBuffer<T>>(source, column);
        VBuffer<T> values = default; // one buffer for all rows, as ML.NET's own readers have it
        return () =>
        {
            getter(ref values);
            return values is VBuffer<ReadOnlyMemory<char>> texts
                ? texts.DenseValues().Select(text => text.ToString()).ToArray()
                : values.DenseValues().ToArray();
        };
    }

    private static ValueGetter<T> Getter<T>(object source, DataViewSchema.Column column) =>
        source is DataViewRow row
            ? row.GetGetter<T>(column)
            : ((DataViewSchema.Annotations)source).GetGetter<T>(column);

    private sealed record ImageBytes(int Width, int Height, byte[] Pixels);
}
