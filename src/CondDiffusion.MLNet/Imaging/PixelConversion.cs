using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Imaging;

/// <summary>Converts between images and the network's pixels: floats in [-1, 1], in planes [C, H, W].</summary>
internal static class PixelConversion
{
    /// <summary>The offset of a level: the pixel of a grey level from 0 to 255 is (level - Offset) * Scale.</summary>
    public const float Offset = 127.5f;

    /// <summary>The scale of a level: the pixel of a grey level from 0 to 255 is (level - Offset) * Scale.</summary>
    public const float Scale = 1 / 127.5f;

    private const int BytesPerPixel = 4;

    /// <summary>Creates an opaque image. Values outside [-1, 1] are clamped; NaN becomes black.</summary>
    /// <param name="pixels">The pixels, [C, H, W].</param>
    /// <param name="shape">Shape of the pixels, with 1 channel (grey) or 3 (red, green, blue).</param>
    public static MLImage ToImage(ReadOnlySpan<float> pixels, ImageShape shape)
    {
        CheckChannels(shape.Channels);
        CheckLength(pixels.Length, shape);

        // Where the three colors' planes begin. A grey image has one plane for all of them.
        var plane = shape.PlanePixels;
        var red = 0;
        var green = plane * (shape.Channels / 2);
        var blue = 2 * green;

        var bytes = new byte[plane * BytesPerPixel];
        for (var i = 0; i < plane; i++)
            SetPixel(bytes, i, ToLevel(pixels[red + i]), ToLevel(pixels[green + i]), ToLevel(pixels[blue + i]));

        return MLImage.CreateFromPixels(shape.Width, shape.Height, MLPixelFormat.Bgra32, bytes);
    }

    /// <summary>Creates an opaque grey image from levels of 0 to 255, [H, W].</summary>
    public static MLImage ToImage(ReadOnlySpan<byte> levels, int height, int width)
    {
        var bytes = new byte[levels.Length * BytesPerPixel];
        for (var i = 0; i < levels.Length; i++)
            SetPixel(bytes, i, levels[i], levels[i], levels[i]);

        return MLImage.CreateFromPixels(width, height, MLPixelFormat.Bgra32, bytes);
    }

    /// <summary>Copies pixels to a vector. Values outside [-1, 1] are clamped.</summary>
    public static void CopyClamped(ReadOnlySpan<float> pixels, ref VBuffer<float> values)
    {
        var editor = VBufferEditor.Create(ref values, pixels.Length);
        for (var i = 0; i < pixels.Length; i++) editor.Values[i] = Math.Clamp(pixels[i], -1, 1);
        values = editor.Commit();
    }

    /// <summary>Creates an image from each [C, H, W] of batches of pixels, [B, C, H, W].</summary>
    /// <remarks>
    /// Pixels are not kept beyond the next batch. If a batch fails, the images of those before it are disposed.
    /// </remarks>
    public static IReadOnlyList<MLImage> ToImages(IEnumerable<float[]> batches, ImageShape shape)
    {
        var images = new List<MLImage>();
        try
        {
            foreach (var batch in batches)
                images.AddRange(batch.Chunk(shape.Pixels).Select(image => ToImage(image, shape)));

            return images;
        }
        catch
        {
            foreach (var image in images) image.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Fills pixels, [C, H, W], with the values that <see cref="TransformsExtensions.NormalizeImages"/> gives for an
    /// image that already has the right size.
    /// </summary>
    public static void FromImage(MLImage image, int channels, Span<float> pixels)
    {
        var shape = new ImageShape(channels, image.Height, image.Width);
        CheckChannels(channels);
        CheckLength(pixels.Length, shape);

        var plane = shape.PlanePixels;
        var bgr = ToBgr(image);
        for (var i = 0; i < plane; i++)
        {
            var b = bgr[3 * i];
            var g = bgr[3 * i + 1];
            var r = bgr[3 * i + 2];

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

    /// <summary>Returns what is wrong with pixels outside [-1, 1]; null for nothing.</summary>
    public static string? FindRangeError(ReadOnlySpan<float> pixels)
    {
        foreach (var value in pixels)
        {
            if (value is >= -1 and <= 1) continue;

            return $"must have values in [-1, 1], but has {value}; NormalizeImages scales images to that";
        }

        return null;
    }

    /// <summary>Checks that an image can have this number of channels.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are neither 1 nor 3 channels.</exception>
    public static void CheckChannels(int channels)
    {
        if (channels is 1 or 3) return;
        throw new ArgumentOutOfRangeException(
            nameof(channels), channels, "Expected 1 channel (grey) or 3 (red, green, blue).");
    }

    /// <summary>
    /// Returns the levels of blue, green and red of each pixel, [H, W, 3]. All reading of images goes through this
    /// method, since MLImage.Pixels does not work beside SkiaSharp 3 and later (machinelearning issue 7413).
    /// </summary>
    public static byte[] ToBgr(MLImage image) => image.GetBGRPixels;

    /// <summary>Returns blue, green, red and 255 for each pixel, [H, W, 4].</summary>
    public static byte[] ToBgra(MLImage image)
    {
        var bgr = ToBgr(image);
        var bgra = new byte[bgr.Length / 3 * BytesPerPixel];
        for (var i = 0; i < bgr.Length / 3; i++)
            SetPixel(bgra, i, bgr[3 * i + 2], bgr[3 * i + 1], bgr[3 * i]);

        return bgra;
    }

    // The order of operations is that of ML.NET's ConvertToGrayscale. One color in a hundred lies half-way between two
    // levels, and only this order rounds all 2^24 colors as ML.NET does.
    private static byte Grey(byte red, byte green, byte blue)
    {
        const float Unit = 1 / 255f;
        var sum = red * Unit * 0.3f + (green * Unit * 0.59f + blue * Unit * 0.11f);
        return (byte)MathF.Round(sum * 255);
    }

    // NaN passes through Clamp and converts to 0.
    private static byte ToLevel(float x) => (byte)Math.Clamp(MathF.Round((x + 1) / 2 * 255), 0, 255);

    private static float FromLevel(byte level) => (level - Offset) * Scale;

    private static void SetPixel(Span<byte> bgra, int i, byte red, byte green, byte blue)
    {
        bgra = bgra.Slice(i * BytesPerPixel, BytesPerPixel);
        bgra[0] = blue;
        bgra[1] = green;
        bgra[2] = red;
        bgra[3] = 255; // an encoder would discard the colors of a transparent pixel
    }

    private static void CheckLength(int found, ImageShape shape)
    {
        if (found != shape.Pixels)
            throw new ArgumentException($"Expected {shape.Pixels} pixel values, found {found}.");
    }
}
