using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Imaging;

/// <summary>Pixels as the network has them, floats in [-1, 1] in planes [C, H, W], to and from images.</summary>
internal static class PixelConversion
{
    /// <summary>A grey level of 0 to 255 becomes (level - Offset) * Scale.</summary>
    public const float Offset = 127.5f;

    /// <inheritdoc cref="Offset"/>
    public const float Scale = 1 / 127.5f;

    private const int BytesPerPixel = 4;

    /// <summary>Makes an opaque image; values outside [-1, 1] are taken as the nearer end, NaN as black.</summary>
    /// <param name="pixels">[channels, height, width].</param>
    /// <param name="channels">1 for grey, 3 for red, green and blue.</param>
    /// <param name="height">In pixels.</param>
    /// <param name="width">In pixels.</param>
    public static MLImage ToImage(ReadOnlySpan<float> pixels, int channels, int height, int width)
    {
        CheckChannels(channels);
        var plane = height * width;
        CheckLength(pixels.Length, channels * plane);

        var green = plane * (channels / 2); // the planes of grey are all one
        var red = 0;
        var blue = 2 * green;
        var bytes = new byte[plane * BytesPerPixel];
        for (var i = 0; i < plane; i++)
            SetPixel(bytes, i, ToLevel(pixels[red + i]), ToLevel(pixels[green + i]), ToLevel(pixels[blue + i]));
        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Bgra32, bytes);
    }

    /// <summary>Makes an image of each [channels, height, width] of <paramref name="pixels"/>, one after another.</summary>
    public static MLImage[] ToImages(float[] pixels, int channels, int height, int width) =>
        [.. pixels.Chunk(channels * height * width).Select(image => ToImage(image, channels, height, width))];

    /// <summary>Makes an opaque grey image from levels of 0 to 255, [height, width].</summary>
    public static MLImage ToImage(ReadOnlySpan<byte> levels, int height, int width)
    {
        var bytes = new byte[levels.Length * BytesPerPixel];
        for (var i = 0; i < levels.Length; i++)
            SetPixel(bytes, i, levels[i], levels[i], levels[i]);
        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Bgra32, bytes);
    }

    /// <summary>
    /// Fills pixels, [channels, height, width], with what <see cref="TransformsExtensions.NormalizeImages"/> makes of an image of that size.
    /// </summary>
    public static void FromImage(MLImage image, int channels, Span<float> pixels)
    {
        CheckChannels(channels);
        var plane = image.Height * image.Width;
        CheckLength(pixels.Length, channels * plane);

        var bytes = image.Pixels;
        var red = RedIndex(image);
        for (var i = 0; i < plane; i++)
        {
            var pixel = bytes.Slice(i * BytesPerPixel, BytesPerPixel);
            var (r, g, b) = (pixel[red], pixel[1], pixel[2 - red]);
            if (channels == 1)
            {
                pixels[i] = FromLevel(Grey(r, g, b));
            }
            else
            {
                pixels[i] = FromLevel(r);
                pixels[plane + i] = FromLevel(g);
                pixels[2 * plane + i] = FromLevel(b);
            }
        }
    }

    /// <exception cref="ArgumentOutOfRangeException">There are neither 1 nor 3 channels.</exception>
    public static void CheckChannels(int channels)
    {
        if (channels is not (1 or 3))
            throw new ArgumentOutOfRangeException(nameof(channels), channels, "Expected 1 channel (grey) or 3 (red, green, blue).");
    }

    /// <summary>Where in the four bytes of a pixel red stands; blue stands at two minus that.</summary>
    public static int RedIndex(MLImage image) => image.PixelFormat == MLPixelFormat.Rgba32 ? 0 : 2;

    // One color in a hundred lies half-way between two levels, so the order of operations is that of ML.NET's ConvertToGrayscale:
    // with it, all 2^24 colors come out equal.
    private static byte Grey(byte red, byte green, byte blue)
    {
        const float Unit = 1 / 255f;
        var sum = red * Unit * 0.3f + (green * Unit * 0.59f + blue * Unit * 0.11f);
        return (byte)MathF.Round(sum * 255);
    }

    private static byte ToLevel(float x) => (byte)Math.Clamp(MathF.Round((x + 1) / 2 * 255), 0, 255); // NaN converts to 0

    private static float FromLevel(byte level) => (level - Offset) * Scale;

    private static void SetPixel(Span<byte> bgra, int i, byte red, byte green, byte blue)
    {
        bgra = bgra.Slice(i * BytesPerPixel, BytesPerPixel);
        bgra[0] = blue;
        bgra[1] = green;
        bgra[2] = red;
        bgra[3] = 255; // with alpha 0 the colors would be lost on saving
    }

    private static void CheckLength(int found, int expected)
    {
        if (found != expected)
            throw new ArgumentException($"Expected {expected} pixel values, found {found}.");
    }
}
